//! `#[event]` and `#[derive(Event)]`: a type becomes an event.

pub(crate) mod expand;
pub(crate) mod model;
pub(crate) mod parse;
mod stream;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[event]`.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let input = parse::attribute(mistakes, attribute, item)?;
    let model = model::check(mistakes, &input);
    Some(expand::attribute(&input, &model))
}

/// Expands `#[derive(Event)]`.
pub(crate) fn derive(mistakes: &mut Mistakes, item: TokenStream) -> Option<TokenStream> {
    let input = parse::derive(mistakes, item)?;
    let model = model::check(mistakes, &input);
    Some(expand::derive(&model))
}
