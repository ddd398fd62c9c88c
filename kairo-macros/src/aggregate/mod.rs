//! `#[aggregate]`: an `impl` block whose `#[apply]` methods rebuild a state from events.

mod expand;
mod method;
mod model;
mod parse;

use proc_macro2::TokenStream;

use crate::{block::Block, mistakes::Mistakes};

const BLOCK: Block = Block {
    name: "aggregate",
    one: "an aggregate",
    method: "apply",
    concrete: "its events are stored for one concrete type; use that",
};

/// Expands `#[aggregate]`.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let input = parse::attribute(mistakes, attribute, item)?;
    let Some(model) = model::check(mistakes, &input) else {
        let item = input.item;
        return Some(quote::quote!(#item));
    };
    Some(expand::aggregate(&input.item, &model))
}

/// Refuses an `#[apply]` that no `#[aggregate]` has taken.
pub(crate) fn stray(
    mistakes: &mut Mistakes,
    _attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    mistakes.push(BLOCK.stray("apply", item));
    None
}
