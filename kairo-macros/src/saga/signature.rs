//! The rules about how a saga's methods are written.

use syn::{FnArg, GenericParam, ReceiverKind, ReturnType, Safety, Signature, Type, parse_quote};

use super::parse::Method;
use crate::{
    mistakes::Mistakes,
    returns::{self, Returns, is_result, is_unit, second_argument, spelled_out},
    tokens::{Borrowed, peel, show},
};

/// `async fn(&self, ..)`; `who` is, for example, "step `charge`".
pub(crate) fn check_run(mistakes: &mut Mistakes, who: &str, method: &Method) {
    let signature = &method.signature;
    if signature.asyncness.is_none() {
        let name = &signature.ident;
        let message = format!("{who} must be an `async fn`: write `async fn {name}`");
        mistakes.at(signature.fn_token.span, message);
    }
    check_receiver(mistakes, who, signature);
    check_plain(mistakes, who, method);
}

/// `fn(&self, ..) -> bool`, which decides whether a step runs.
pub(crate) fn check_test(mistakes: &mut Mistakes, method: &Method) {
    let signature = &method.signature;
    let name = &signature.ident;
    let who = format!("condition `{name}`");
    if let Some(asyncness) = &signature.asyncness {
        let message = format!("{who} decides without waiting for anything: remove `async`");
        mistakes.on(asyncness, message);
    }
    check_receiver(mistakes, &who, signature);
    check_plain(mistakes, &who, method);
    let wrong = format!("{who} says whether a step runs: write `-> bool`");
    match &signature.output {
        ReturnType::Default => mistakes.at(name.span(), wrong),
        ReturnType::Type(_, ty) if show(ty) != "bool" => mistakes.on(ty, wrong),
        ReturnType::Type(..) => {}
    }
}

/// `fn(state: Value) -> Result<Value, E>`, which reads the state of older code; answers the `Result`.
pub(crate) fn check_migration(
    mistakes: &mut Mistakes,
    method: &Method,
    saga: &Type,
) -> Option<Type> {
    let signature = &method.signature;
    let name = &signature.ident;
    let who = format!("migration `{name}`");
    if let Some(asyncness) = &signature.asyncness {
        let message = format!("{who} only rewrites a value: remove `async`");
        mistakes.on(asyncness, message);
    }
    if let Some(receiver) = signature.receiver() {
        let message = format!("{who} has nothing but the stored state: remove this");
        mistakes.on(receiver, message);
    }
    check_plain(mistakes, &who, method);
    let takes = signature.inputs.iter().filter(|it| matches!(it, FnArg::Typed(_))).count();
    let value = "kairo::serde_json::Value";
    if takes != 1 {
        let message = format!("{who} takes the stored state alone: write `state: {value}`");
        mistakes.at(name.span(), message);
    }
    let written = match &signature.output {
        ReturnType::Type(_, ty) if is_result(ty) => Some(spelled_out(ty, saga)),
        _ => None,
    };
    if written.is_none() {
        let message =
            format!("{who} can find what it does not know: write `-> Result<{value}, E>`");
        mistakes.at(name.span(), message);
    }
    written
}

fn check_receiver(mistakes: &mut Mistakes, who: &str, signature: &Signature) {
    let Some(receiver) = signature.receiver() else {
        let message = format!("{who} must be a method: add `&self` as its first parameter");
        return mistakes.at(signature.ident.span(), message);
    };
    if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) {
        let message = format!("{who} shares its saga with the other steps: write `&self`");
        mistakes.on(receiver, message);
    }
}

/// Neither unsafe nor generic, and there in every build.
fn check_plain(mistakes: &mut Mistakes, who: &str, method: &Method) {
    let signature = &method.signature;
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.on(token, format!("{who} is called by safe code: remove `unsafe`"));
    }
    if let Some(first) = signature.generics.params.first() {
        let params = &signature.generics.params;
        if matches!(first, GenericParam::Lifetime(_)) {
            mistakes.on(params, format!("{who} needs no named lifetimes: write `&T`"));
        } else {
            let message = format!("{who} cannot be generic: use the concrete types");
            mistakes.on(params, message);
        }
    }
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument
            && let (Type::ImplTrait(ty), _) = peel(&argument.ty)
        {
            let message = format!("`impl Trait` makes {who} generic: write a concrete type");
            mistakes.on(ty, message);
        }
    }
    if let Some(condition) = &method.condition {
        mistakes.on(
            condition,
            format!(
                "{who} cannot depend on the build, because another build may carry the saga on: \
                 remove `#[cfg(..)]`"
            ),
        );
    }
}

/// What a step returns. Whether that is a `Result` is a question of spelling.
pub(crate) fn step_returns(
    mistakes: &mut Mistakes,
    who: &str,
    method: &Method,
    saga: &Type,
) -> Returns {
    let ReturnType::Type(_, written) = &method.signature.output else {
        return Returns::Value(parse_quote!(()));
    };
    let returns = returns::read(written, saga);
    let output = returns.output();
    if matches!(output, Type::ImplTrait(_)) {
        let message = format!("{who} must say what it returns: write the name of a concrete type");
        mistakes.on(output, message);
        return Returns::Value(parse_quote!(()));
    }
    if let (inner, Borrowed::Shared | Borrowed::Mutably) = peel(output) {
        let shown = show(inner);
        let message = format!("what {who} returns is stored, so it cannot borrow: use `{shown}`");
        mistakes.on(output, message);
        return Returns::Value(inner.clone());
    }
    returns
}

/// What a compensation or a hook returns: nothing, or why there was none of it.
pub(crate) fn hook_returns(
    mistakes: &mut Mistakes,
    who: &str,
    method: &Method,
    saga: &Type,
) -> Returns {
    let ReturnType::Type(_, written) = &method.signature.output else {
        return Returns::Value(parse_quote!(()));
    };
    let returns = returns::read(written, saga);
    if !is_unit(returns.output()) {
        let error = match &returns {
            Returns::Value(_) => None,
            Returns::Result { written, .. } => second_argument(written),
        };
        let error = error.unwrap_or_else(|| "E".to_owned());
        let message = format!("nobody takes what {who} returns: write `-> Result<(), {error}>`");
        mistakes.on(written, message);
    }
    returns
}
