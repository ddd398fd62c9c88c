//! `#[events]`: an enum of events becomes a typed event enum.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use syn::{ItemEnum, Path};

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

/// A typed event enum that another macro has made, of events that it has checked to be distinct.
pub(crate) fn generated(library: &Path, item: ItemEnum) -> TokenStream {
    let input = parse::generated(item);
    let model = model::generated(library.clone(), &input);
    expand::set(&input, &model)
}
