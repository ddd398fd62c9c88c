//! `#[events]`: an enum of events becomes a typed event enum.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[events]`.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let input = parse::attribute(mistakes, attribute, item)?;
    let model = model::check(mistakes, &input);
    Some(expand::set(&input, &model))
}
