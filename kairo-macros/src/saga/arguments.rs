//! The arguments of a saga's methods, as they are written.

use proc_macro2::Ident;
use syn::{FnArg, Type};

use super::parse::Method;
use crate::{
    returns::spelled_out,
    tokens::{Borrowed, peel, type_argument},
};

/// One argument.
pub(crate) struct Argument {
    pub(crate) form: Form,
    /// The type of the data, or of the extractor.
    pub(crate) ty: Type,
    /// The whole type, where it stands.
    pub(crate) written: Type,
    /// The step of `#[from(step)]`.
    pub(crate) from: Option<Ident>,
}

/// What an argument asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `&T`: data that is there.
    Data,
    /// `Option<&T>`: data that may not be there.
    Maybe,
    /// `T` or `&mut T`: taken from the run.
    Extractor(Borrowed),
}

/// Reads the arguments of a method, the receiver aside.
pub(crate) fn read(method: &Method, saga: &Type) -> Vec<Argument> {
    let typed = method.signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    });
    typed.zip(&method.from).map(|(ty, from)| argument(ty, from.clone(), saga)).collect()
}

fn argument(written: &Type, from: Option<Ident>, saga: &Type) -> Argument {
    let (form, ty) = match (peel(written), type_argument(written, "Option").map(peel)) {
        (_, Some((inner, Borrowed::Shared))) => (Form::Maybe, inner),
        ((ty, Borrowed::Shared), _) => (Form::Data, ty),
        ((ty, borrowed), _) => (Form::Extractor(borrowed), ty),
    };
    Argument { form, ty: spelled_out(ty, saga), written: written.clone(), from }
}
