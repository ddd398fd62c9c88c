//! `#[repository]`: a struct becomes an entity, with a patch, typed fields and events.

mod expand;
mod field;
mod model;
mod parse;
mod rules;
mod stored;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[repository]`.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let input = parse::attribute(mistakes, attribute, item)?;
    let model = model::check(mistakes, &input);
    Some(expand::repository(&input, model.as_ref()))
}
