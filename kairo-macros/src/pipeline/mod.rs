//! `#[pipeline]`: an `impl` block whose methods are stages, each of which takes what the one before gives.

mod arguments;
mod calls;
mod expand;
mod hooks;
mod joints;
mod model;
mod parse;
mod rules;
mod stages;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[pipeline]`.
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
    Some(expand::pipeline(&input.item, &model))
}

/// Refuses a `#[map]`, or another attribute of a pipeline's methods, that no `#[pipeline]` has taken.
pub(crate) fn stray(
    name: &'static str,
) -> impl Fn(&mut Mistakes, TokenStream, &TokenStream) -> Option<TokenStream> {
    move |mistakes, _attribute, item| {
        mistakes.push(parse::stray(name, item));
        None
    }
}
