//! The rules of a handler.

use proc_macro2::{Ident, Span};
use syn::{
    Attribute, FnArg, GenericParam, PatType, Path, ReceiverKind, ReturnType, Safety, Signature,
    Type,
};

use super::{
    options::{self, Listen, Options},
    parse::{Input, Kind},
};
use crate::{
    mistakes::Mistakes,
    names,
    tokens::{Borrowed, last_segment, peel, show, span, type_argument},
};

/// A handler without mistakes.
pub(crate) struct Model {
    pub(crate) kind: Kind,
    pub(crate) library: Path,
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) function: Ident,
    /// The type whose method it is.
    pub(crate) service: Option<Type>,
    pub(crate) event: Event,
    pub(crate) extractors: Vec<Extractor>,
    pub(crate) output: Output,
    pub(crate) options: Options,
}

/// The first argument.
pub(crate) struct Event {
    pub(crate) ty: Type,
    /// Whether the type stood in an `Envelope`.
    pub(crate) enveloped: bool,
    /// Whether it is the library's `AnyEvent`.
    pub(crate) any: bool,
    pub(crate) borrowed: bool,
}

/// A further argument.
pub(crate) struct Extractor {
    pub(crate) ty: Type,
    pub(crate) borrowed: Borrowed,
}

/// What the function returns.
pub(crate) enum Output {
    Nothing,
    Events(Type),
    Result(Type),
}

/// Checks every rule.
pub(crate) fn check(
    mistakes: &mut Mistakes,
    input: &Input,
    service: Option<&Type>,
) -> Option<Model> {
    let before = mistakes.count();
    let options = options::check(mistakes, input);
    let signature = &input.signature;
    check_signature(mistakes, input);
    if service.is_some() {
        check_receiver(mistakes, signature);
    }
    let mut arguments = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let event = check_event(mistakes, input, arguments.next(), &options);
    let extractors: Vec<Extractor> = arguments
        .map(|argument| {
            let (ty, borrowed) = peel(&argument.ty);
            Extractor { ty: ty.clone(), borrowed }
        })
        .collect();
    let output = check_output(mistakes, input);
    let (event, output) = (event?, output?);
    let sound = !input.broken && mistakes.count() == before;
    sound.then(|| Model {
        kind: input.kind,
        library: input.library.clone(),
        conditions: input.conditions.clone(),
        function: signature.ident.clone(),
        service: service.cloned(),
        event,
        extractors,
        output,
        options,
    })
}

fn check_signature(mistakes: &mut Mistakes, input: &Input) {
    let signature = &input.signature;
    let (name, _) = input.name();
    if signature.asyncness.is_none() {
        let message = format!("handler `{name}` must be an `async fn`: write `async fn {name}`");
        mistakes.at(signature.fn_token.span, message);
    }
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.on(token, format!("handler `{name}` is called by safe code: remove `unsafe`"));
    }
    if let Some(first) = signature.generics.params.first() {
        let params = &signature.generics.params;
        if matches!(first, GenericParam::Lifetime(_)) {
            let message = format!("handler `{name}` needs no named lifetimes: write `&T`");
            mistakes.on(params, message);
        } else {
            mistakes.on(
                params,
                format!(
                    "handler `{name}` cannot be generic: it is registered once; use concrete types"
                ),
            );
        }
    }
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument
            && let (Type::ImplTrait(ty), _) = peel(&argument.ty)
        {
            mistakes.on(
                ty,
                format!(
                    "`impl Trait` makes handler `{name}` generic: write the name of a concrete type"
                ),
            );
        }
    }
}

fn check_receiver(mistakes: &mut Mistakes, signature: &Signature) {
    let name = &signature.ident;
    match signature.receiver() {
        Some(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, None) => {}
            _ => mistakes.on(
                receiver,
                format!("handler `{name}` shares its service with all others: write `&self`"),
            ),
        },
        None => mistakes.at(
            name.span(),
            format!("handler `{name}` must be a method: add `&self` as its first parameter"),
        ),
    }
}

fn check_event(
    mistakes: &mut Mistakes,
    input: &Input,
    argument: Option<&PatType>,
    options: &Options,
) -> Option<Event> {
    let (name, name_span) = input.name();
    let Some(argument) = argument else {
        let example = example(input.kind, &options.listen);
        mistakes.at(
            name_span,
            format!(
                "handler `{name}` takes no event: its first parameter must be the event; add, for \
                 example, `{example}`"
            ),
        );
        return None;
    };
    let (ty, borrowed) = peel(&argument.ty);
    if matches!(ty, Type::ImplTrait(_)) {
        return None;
    }
    if let Some(last) = last_segment(ty)
        && ["State", "Context", "Attempt", "Publisher", "Tx"].iter().any(|it| last.ident == it)
    {
        let extractor = show(&argument.ty);
        mistakes.on(
            &argument.ty,
            format!(
                "the first parameter of handler `{name}` must be the event; move `{extractor}` \
                 behind it"
            ),
        );
        return None;
    }
    if borrowed == Borrowed::Mutably {
        let shown = show(ty);
        mistakes.on(
            &argument.ty,
            format!("an event has happened and cannot be changed: write `&{shown}` or `{shown}`"),
        );
        return None;
    }
    let inner = type_argument(ty, "Envelope");
    let event = Event {
        any: inner.is_none() && last_segment(ty).is_some_and(|last| last.ident == "AnyEvent"),
        enveloped: inner.is_some(),
        ty: inner.unwrap_or(ty).clone(),
        borrowed: borrowed == Borrowed::Shared,
    };
    check_fit(mistakes, input, &event, options);
    Some(event)
}

/// An `AnyEvent` can be everything, so somebody must say what it is.
fn check_fit(mistakes: &mut Mistakes, input: &Input, event: &Event, options: &Options) {
    let (name, _) = input.name();
    if !event.any || input.kind == Kind::OnDeadLetter {
        return;
    }
    if matches!(options.listen, Listen::Argument) && !input.broken {
        mistakes.at(
            span(&event.ty),
            format!(
                "handler `{name}` takes any event, so it must say which: write \
                 `#[handler(pattern = \"**\")]`"
            ),
        );
    }
}

/// The parameter that a handler without one probably wants.
fn example(kind: Kind, listen: &Listen) -> String {
    match listen {
        _ if kind == Kind::OnDeadLetter => "letter: &DeadLetter".to_owned(),
        Listen::Event(event) => format!("event: &{}", names::pascal(&event.value())),
        Listen::Argument => "event: &UserCreated".to_owned(),
        Listen::Pattern(_) | Listen::Regex(_) => "event: &AnyEvent".to_owned(),
    }
}

/// Whether it returns a `Result` is a question of spelling: only then does rustc, asked about the
/// `Result` alone, name the part of it that is wrong.
fn check_output(mistakes: &mut Mistakes, input: &Input) -> Option<Output> {
    let (name, _) = input.name();
    let ReturnType::Type(_, ty) = &input.signature.output else { return Some(Output::Nothing) };
    match &**ty {
        Type::ImplTrait(ty) => {
            mistakes.on(
                ty,
                format!(
                    "handler `{name}` must say what it returns: write `()`, an event, or a \
                     `Result` of one of these"
                ),
            );
            None
        }
        Type::Tuple(tuple) if tuple.elems.is_empty() => Some(Output::Nothing),
        ty if last_segment(ty).is_some_and(|last| last.ident.to_string().ends_with("Result")) => {
            Some(Output::Result(ty.clone()))
        }
        ty => Some(Output::Events(ty.clone())),
    }
}

impl Model {
    /// The span of what the function returns.
    pub(crate) fn output_span(&self) -> Span {
        match &self.output {
            Output::Nothing => self.function.span(),
            Output::Events(ty) | Output::Result(ty) => span(ty),
        }
    }
}
