//! The rules about how a pipeline's methods are written.

use syn::{FnArg, GenericParam, ReceiverKind, ReturnType, Safety, Type, parse_quote};

use super::parse::{Kind, Method};
use crate::{
    mistakes::Mistakes,
    returns::{self, Returns, is_unit, second_argument},
    tokens::{Borrowed, last_segment, peel, show},
};

/// `fn(&self, ..)`, async or not; `who` is, for example, "stage `enrich`".
pub(crate) fn check(mistakes: &mut Mistakes, who: &str, method: &Method) {
    let signature = &method.signature;
    match signature.receiver() {
        None => {
            let message = format!("{who} must be a method: add `&self` as its first parameter");
            mistakes.at(signature.ident.span(), message);
        }
        Some(receiver) if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {
            let message = format!("{who} shares its pipeline with other runs: write `&self`");
            mistakes.on(receiver, message);
        }
        Some(_) => {}
    }
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.on(token, format!("{who} is called by safe code: remove `unsafe`"));
    }
    if let Some(first) = signature.generics.params.first() {
        let params = &signature.generics.params;
        if matches!(first, GenericParam::Lifetime(_)) {
            mistakes.on(params, format!("{who} needs no named lifetimes: write `&T`"));
        } else {
            mistakes.on(params, format!("{who} cannot be generic: use the concrete types"));
        }
    }
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument
            && let (Type::ImplTrait(ty), _) = peel(&argument.ty)
        {
            let message = format!("`impl Trait` makes {who} generic: write a concrete type");
            mistakes.on(ty, message);
        }
        if let FnArg::Typed(argument) = argument
            && last_segment(peel(&argument.ty).0).is_some_and(|last| last.ident == "Tx")
        {
            let message = format!(
                "{who} takes no transaction, because what a pipeline emits is published at once: use \
                 `kairo.transaction(..)` inside of it, or a `#[handler]`"
            );
            mistakes.on(&argument.ty, message);
        }
    }
    if let Some(condition) = &method.condition {
        let message = format!(
            "{who} cannot depend on the build, because the stages around it would not chain without it: \
             remove `#[cfg(..)]`"
        );
        mistakes.on(condition, message);
    }
}

/// What a stage returns: something that flows on, `bool`, or an event.
pub(crate) fn stage_returns(
    mistakes: &mut Mistakes,
    who: &str,
    kind: Kind,
    method: &Method,
    owner: &Type,
) -> Returns {
    let name = &method.signature.ident;
    let ReturnType::Type(_, written) = &method.signature.output else {
        match kind {
            Kind::Map => {}
            Kind::Filter => mistakes
                .at(name.span(), format!("{who} says whether the run goes on: write `-> bool`")),
            Kind::Emit => mistakes.at(
                name.span(),
                format!("{who} returns no event: write `-> Event`, with what it emits"),
            ),
        }
        return Returns::Value(parse_quote!(()));
    };
    let returns = returns::read(written, owner);
    let output = returns.output();
    if let Type::ImplTrait(_) = output {
        let message = format!("{who} must say what it returns: write the name of a concrete type");
        mistakes.on(output, message);
        return Returns::Value(parse_quote!(()));
    }
    if let (inner, Borrowed::Shared | Borrowed::Mutably) = peel(output) {
        let shown = show(inner);
        let message = format!("what {who} returns flows on, so it cannot borrow: use `{shown}`");
        mistakes.on(output, message);
        return Returns::Value(inner.clone());
    }
    match kind {
        Kind::Filter if show(output) != "bool" => {
            let error = match &returns {
                Returns::Value(_) => None,
                Returns::Result { written, .. } => second_argument(written),
            };
            let right =
                error.map_or_else(|| "bool".to_owned(), |error| format!("Result<bool, {error}>"));
            mistakes.on(written, format!("{who} says whether the run goes on: write `-> {right}`"));
            return Returns::Value(parse_quote!(bool));
        }
        Kind::Emit if is_unit(output) => {
            let message = format!("{who} returns no event: write `-> Event`, with what it emits");
            mistakes.on(written, message);
        }
        _ => {}
    }
    returns
}

/// What a hook returns: nothing, or why there was none of it.
pub(crate) fn hook_returns(
    mistakes: &mut Mistakes,
    who: &str,
    method: &Method,
    owner: &Type,
) -> Returns {
    let ReturnType::Type(_, written) = &method.signature.output else {
        return Returns::Value(parse_quote!(()));
    };
    let returns = returns::read(written, owner);
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
