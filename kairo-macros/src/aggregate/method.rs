//! The rules of an `#[apply]` method.

use proc_macro2::Ident;
use syn::{
    FnArg, GenericParam, PatType, ReceiverKind, ReturnType, Safety, Signature, Type, ext::IdentExt,
};

use super::parse::Method;
use crate::{
    mistakes::Mistakes,
    names,
    tokens::{Borrowed, last_segment, peel, show, type_argument},
};

/// A method without mistakes.
pub(crate) struct Applied {
    pub(crate) function: Ident,
    /// The event.
    pub(crate) ty: Type,
    /// Whether the type stood in an `Envelope`.
    pub(crate) enveloped: bool,
    pub(crate) borrowed: bool,
    pub(crate) init: bool,
}

impl Applied {
    /// The variant of the generated enum.
    pub(crate) fn variant(&self) -> Ident {
        let name = names::pascal(&self.function.unraw().to_string());
        Ident::new(&name, self.function.span())
    }
}

/// Checks every rule about one method.
pub(crate) fn check(
    mistakes: &mut Mistakes,
    aggregate: &Ident,
    self_type: &Type,
    method: &Method,
) -> Option<Applied> {
    let before = mistakes.count();
    let signature = &method.signature;
    check_signature(mistakes, method);
    let mut arguments = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let event = check_event(mistakes, aggregate, signature, arguments.next());
    for more in arguments {
        let name = &signature.ident;
        mistakes.on(
            more,
            format!(
                "`#[apply]` method `{name}` takes its event and nothing else, because the state is \
                 rebuilt from events alone: remove this"
            ),
        );
    }
    if method.broken {
        return None;
    }
    if method.init {
        check_init(mistakes, aggregate, self_type, signature);
    } else {
        check_change(mistakes, aggregate, signature);
    }
    let (ty, enveloped, borrowed) = event?;
    let function = signature.ident.clone();
    let applied = Applied { function, ty, enveloped, borrowed, init: method.init };
    (mistakes.count() == before).then_some(applied)
}

/// Whether no method before this one takes its event.
pub(crate) fn check_repeated(
    mistakes: &mut Mistakes,
    before: &[Applied],
    applied: &Applied,
) -> bool {
    let ty = show(&applied.ty);
    let Some(first) = before.iter().find(|first| show(&first.ty) == ty) else { return true };
    let (first, second) = (&first.function, &applied.function);
    mistakes.on(
        &applied.ty,
        format!("`{ty}` is applied twice, by `{first}` and by `{second}`: remove one of them"),
    );
    false
}

fn check_signature(mistakes: &mut Mistakes, method: &Method) {
    let signature = &method.signature;
    let name = &signature.ident;
    if let Some(asyncness) = &signature.asyncness {
        mistakes.on(
            asyncness,
            format!(
                "`#[apply]` method `{name}` must not be async, because a state is rebuilt from \
                 events without waiting for anything: remove `async`"
            ),
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.on(
            token,
            format!("`#[apply]` method `{name}` is called by safe code: remove `unsafe`"),
        );
    }
    if let Some(first) = signature.generics.params.first() {
        let params = &signature.generics.params;
        if matches!(first, GenericParam::Lifetime(_)) {
            let message =
                format!("`#[apply]` method `{name}` needs no named lifetimes: write `&T`");
            mistakes.on(params, message);
        } else {
            let message = format!(
                "`#[apply]` method `{name}` cannot be generic: use the concrete type of its event"
            );
            mistakes.on(params, message);
        }
    }
    if let Some(condition) = &method.condition {
        mistakes.on(
            condition,
            format!(
                "`#[apply]` method `{name}` cannot depend on the build, because its events are in \
                 the log whatever is built: remove `#[cfg(..)]`"
            ),
        );
    }
}

fn check_event(
    mistakes: &mut Mistakes,
    aggregate: &Ident,
    signature: &Signature,
    argument: Option<&PatType>,
) -> Option<(Type, bool, bool)> {
    let name = &signature.ident;
    let guess = format!("{aggregate}{}", names::pascal(&name.unraw().to_string()));
    let Some(argument) = argument else {
        mistakes.at(
            name.span(),
            format!(
                "`#[apply]` method `{name}` takes no event: add, for example, `event: &{guess}`"
            ),
        );
        return None;
    };
    let (ty, borrowed) = peel(&argument.ty);
    let inner = type_argument(ty, "Envelope");
    let event = inner.unwrap_or(ty);
    let shown = show(ty);
    if borrowed == Borrowed::Mutably {
        let message =
            format!("an event has happened and cannot be changed: write `&{shown}` or `{shown}`");
        mistakes.on(&argument.ty, message);
        return None;
    }
    if matches!(event, Type::ImplTrait(_)) {
        mistakes.on(
            event,
            format!("`impl Trait` makes `{name}` generic: write the concrete type of its event"),
        );
        return None;
    }
    if last_segment(event).is_some_and(|last| last.ident == "AnyEvent") {
        mistakes.on(
            event,
            format!(
                "`#[apply]` method `{name}` applies one kind of event, so that it can be decoded: \
                 write its type, such as `&{guess}`"
            ),
        );
        return None;
    }
    Some((event.clone(), inner.is_some(), borrowed == Borrowed::Shared))
}

/// `fn created(event: &UserCreated) -> Self`.
fn check_init(mistakes: &mut Mistakes, aggregate: &Ident, self_type: &Type, signature: &Signature) {
    let name = &signature.ident;
    if let Some(receiver) = signature.receiver() {
        mistakes.on(
            receiver,
            format!(
                "`{name}` makes the first state of `{aggregate}`, so there is none before it: \
                 remove this, or write `#[apply]` without `init`"
            ),
        );
    }
    let wrong = format!(
        "`#[apply(init)]` method `{name}` makes the first state of `{aggregate}`: write `-> Self`"
    );
    match &signature.output {
        ReturnType::Default => mistakes.at(name.span(), wrong),
        ReturnType::Type(_, ty) => {
            let shown = show(ty);
            if shown != "Self" && shown != show(self_type) {
                mistakes.on(ty, wrong);
            }
        }
    }
}

/// `fn suspended(&mut self, event: &UserSuspended)`.
fn check_change(mistakes: &mut Mistakes, aggregate: &Ident, signature: &Signature) {
    let name = &signature.ident;
    let returns_self = matches!(
        &signature.output,
        ReturnType::Type(_, ty) if show(ty) == "Self" || *aggregate == show(ty)
    );
    match signature.receiver() {
        Some(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => {}
            _ => mistakes.on(
                receiver,
                format!("`#[apply]` method `{name}` changes the state: write `&mut self`"),
            ),
        },
        None if returns_self => {
            mistakes.at(
                name.span(),
                format!(
                    "`{name}` makes a `{aggregate}` without one before it: write `#[apply(init)]`, \
                     or add `&mut self` and let it change that"
                ),
            );
            return;
        }
        None => mistakes.at(
            name.span(),
            format!(
                "`#[apply]` method `{name}` changes the state: add `&mut self` as its first \
                 parameter"
            ),
        ),
    }
    match &signature.output {
        ReturnType::Type(_, ty) if !matches!(&**ty, Type::Tuple(it) if it.elems.is_empty()) => {
            let shown = show(ty);
            mistakes.on(
                ty,
                format!(
                    "`#[apply]` method `{name}` must return nothing, because the event has happened \
                     and cannot be refused: remove `-> {shown}`"
                ),
            );
        }
        _ => {}
    }
}
