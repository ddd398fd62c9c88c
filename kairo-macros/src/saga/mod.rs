//! `#[saga]`: an `impl` block whose `#[step]` methods happen all, or are undone.

mod arguments;
mod calls;
mod expand;
mod graph;
mod hooks;
mod model;
mod options;
mod parse;
mod resolve;
mod shape;
mod signature;
mod steps;
mod types;

use proc_macro2::TokenStream;

use crate::{block::Block, mistakes::Mistakes};

const BLOCK: Block = Block {
    name: "saga",
    one: "a saga",
    method: "step",
    concrete: "it is carried on under its name; use a concrete type",
};

/// Expands `#[saga]`.
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
    Some(expand::saga(&input.item, &model))
}

/// Refuses a `#[step]`, or another attribute of a saga's methods, that no `#[saga]` has taken.
pub(crate) fn stray(
    name: &'static str,
) -> impl Fn(&mut Mistakes, TokenStream, &TokenStream) -> Option<TokenStream> {
    move |mistakes, _attribute, item| {
        mistakes.push(BLOCK.stray(name, item));
        None
    }
}
