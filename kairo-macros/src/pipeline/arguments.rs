//! The arguments of a pipeline's methods: what flows by, and extractors.

use proc_macro2::Ident;
use syn::{FnArg, Type};

use super::parse::{Kind, Method};
use crate::{
    mistakes::Mistakes,
    returns::spelled_out,
    tokens::{Borrowed, last_segment, peel, show},
};

/// Extractors of the library, which are easily taken for what flows by.
const EXTRACTORS: &[&str] = &["State", "Context", "Attempt", "Publisher", "IdempotencyKey"];

/// An argument that is taken from the run.
pub(crate) struct Extractor {
    pub(crate) ty: Type,
    pub(crate) borrowed: Borrowed,
}

/// What flows by, as a stage takes it.
pub(crate) struct Flow {
    pub(crate) ty: Type,
    pub(crate) borrowed: bool,
}

/// The arguments of a stage: what flows by, and what is taken from the run.
pub(crate) fn of_stage(
    mistakes: &mut Mistakes,
    who: &str,
    kind: Kind,
    method: &Method,
    owner: &Type,
) -> (Option<Flow>, Vec<Extractor>) {
    let mut types = types(method);
    let Some(first) = types.next() else {
        let name = &method.signature.ident;
        let example = if kind == Kind::Map { "order: Order" } else { "order: &Order" };
        let message = format!(
            "{who} takes nothing: its first parameter is what flows by; add, for example, `{example}`"
        );
        mistakes.at(name.span(), message);
        return (None, vec![]);
    };
    let flow = flow(mistakes, who, kind, first, owner);
    (flow, types.map(|ty| extractor(ty, owner)).collect())
}

/// The arguments of a hook: what it is told, if it wants that, and what is taken from the run.
pub(crate) fn of_hook(method: &Method, owner: &Type) -> (Option<Type>, Vec<Extractor>) {
    let mut types = types(method).peekable();
    let told = types.next_if(|ty| {
        let (inner, borrowed) = peel(ty);
        borrowed == Borrowed::Shared && !is_extractor(inner)
    });
    let told = told.map(|ty| spelled_out(peel(ty).0, owner));
    (told, types.map(|ty| extractor(ty, owner)).collect())
}

fn types(method: &Method) -> impl Iterator<Item = &Type> {
    method.signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    })
}

fn extractor(ty: &Type, owner: &Type) -> Extractor {
    let (ty, borrowed) = peel(ty);
    Extractor { ty: spelled_out(ty, owner), borrowed }
}

fn flow(
    mistakes: &mut Mistakes,
    who: &str,
    kind: Kind,
    written: &Type,
    owner: &Type,
) -> Option<Flow> {
    let (ty, borrowed) = peel(written);
    if matches!(ty, Type::ImplTrait(_)) {
        return None;
    }
    let shown = show(ty);
    if is_extractor(ty) {
        let extractor = show(written);
        let message =
            format!("the first parameter of {who} is what flows by; move `{extractor}` behind it");
        mistakes.on(written, message);
        return None;
    }
    match (kind, borrowed) {
        (Kind::Map, Borrowed::Mutably) => mistakes.on(
            written,
            format!("{who} makes something else of what flows by: write `{shown}` or `&{shown}`"),
        ),
        (Kind::Filter, Borrowed::No | Borrowed::Mutably) => {
            let message = format!("{who} only looks at what flows by: write `&{shown}`");
            mistakes.on(written, message);
        }
        (Kind::Emit, Borrowed::No | Borrowed::Mutably) => mistakes.on(
            written,
            format!("{who} makes an event of what flows by, which flows on: write `&{shown}`"),
        ),
        _ => {}
    }
    Some(Flow { ty: spelled_out(ty, owner), borrowed: borrowed != Borrowed::No })
}

fn is_extractor(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|last| EXTRACTORS.iter().any(|it| last.ident == it))
}

/// What a method is called with behind its receiver, and how that is told in code.
pub(crate) struct Call {
    pub(crate) function: Ident,
    pub(crate) is_async: bool,
    pub(crate) extractors: Vec<Extractor>,
}

impl Call {
    /// A call of a method with these extractors.
    pub(crate) fn new(method: &Method, extractors: Vec<Extractor>) -> Self {
        let signature = &method.signature;
        let is_async = signature.asyncness.is_some();
        Self { function: signature.ident.clone(), is_async, extractors }
    }
}
