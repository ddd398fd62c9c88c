//! `#[handler]`, `#[on_dead_letter]` and `#[handlers]`: functions become handlers.

mod expand;
mod model;
mod options;
mod parse;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[handler]` on a function.
pub(crate) fn function(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    expand_function(mistakes, parse::Kind::Handler, attribute, item)
}

/// Expands `#[on_dead_letter]` on a function.
pub(crate) fn on_dead_letter(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    expand_function(mistakes, parse::Kind::OnDeadLetter, attribute, item)
}

fn expand_function(
    mistakes: &mut Mistakes,
    kind: parse::Kind,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let input = parse::function(mistakes, kind, attribute, item)?;
    let model = model::check(mistakes, &input, None)?;
    Some(expand::function(item, &model))
}

/// Expands `#[handlers]` on an `impl` block.
pub(crate) fn service(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let block = parse::service(mistakes, attribute, item)?;
    let service = &block.item.self_ty;
    let models: Vec<_> = block
        .methods
        .iter()
        .filter_map(|method| model::check(mistakes, method, Some(service)))
        .collect();
    Some(expand::service(&block, &models))
}
