//! What a method of a saga or a pipeline returns: a value, or a `Result` of one, told by its spelling.

use syn::{Type, parse_quote};

use crate::tokens::{last_segment, show, without_self};

/// What a method returns.
pub(crate) enum Returns {
    /// A value, or nothing, which is `()`.
    Value(Type),
    /// A `Result` of a value.
    Result { output: Type, written: Box<Type> },
}

impl Returns {
    /// The value.
    pub(crate) const fn output(&self) -> &Type {
        match self {
            Self::Value(output) | Self::Result { output, .. } => output,
        }
    }
}

/// Reads what a method returns; `owner` is the type of its block.
pub(crate) fn read(written: &Type, owner: &Type) -> Returns {
    if !is_result(written) {
        return Returns::Value(spelled_out(written, owner));
    }
    let output =
        first_argument(written).map_or_else(|| parse_quote!(()), |ty| spelled_out(ty, owner));
    Returns::Result { output, written: Box::new(spelled_out(written, owner)) }
}

/// Whether a type is spelled as a `Result`.
pub(crate) fn is_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|last| last.ident.to_string().ends_with("Result"))
}

/// Whether a type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn arguments(ty: &Type) -> impl Iterator<Item = &Type> {
    let segment = last_segment(ty);
    let arguments = segment.and_then(|segment| match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn first_argument(ty: &Type) -> Option<&Type> {
    arguments(ty).next()
}

/// The second argument of a type, as it is shown.
pub(crate) fn second_argument(ty: &Type) -> Option<String> {
    arguments(ty).nth(1).map(show)
}

/// The type with `Self` spelled out, because it is used outside the block.
pub(crate) fn spelled_out(ty: &Type, owner: &Type) -> Type {
    syn::parse2(without_self(ty, owner)).unwrap_or_else(|_| ty.clone())
}
