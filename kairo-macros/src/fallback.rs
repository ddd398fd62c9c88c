//! What is emitted when an item has mistakes: the item itself, so that editors and the rest of the
//! file keep working.

use std::iter::Peekable;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree, token_stream};
use quote::quote;

use crate::mistakes::Mistakes;

/// Attributes that only the macros of this crate understand.
const HELPERS: &[&str] = &[
    "handler",
    "on_dead_letter",
    "apply",
    "step",
    "compensate",
    "on_complete",
    "on_error",
    "migrate",
    "map",
    "filter",
    "emit",
    "on_success",
    "key",
    "id",
    "index",
    "unique",
    "version",
    "other",
    "event",
];

/// Runs one macro. A macro that returns nothing could not go on; then the item is emitted as it
/// was written, without the attributes that nobody else understands.
pub(crate) fn run(
    attribute: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    expand: impl FnOnce(&mut Mistakes, TokenStream, &TokenStream) -> Option<TokenStream>,
) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let item = TokenStream::from(item);
    let output = expand(&mut mistakes, attribute.into(), &item);
    let output = output.unwrap_or_else(|| strip(item));
    let errors = mistakes.into_tokens();
    quote!(#output #errors).into()
}

/// Runs one derive, which emits nothing in place of an item with mistakes.
pub(crate) fn run_derive(
    item: proc_macro::TokenStream,
    expand: fn(&mut Mistakes, TokenStream) -> Option<TokenStream>,
) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let output = expand(&mut mistakes, item.into());
    let errors = mistakes.into_tokens();
    quote!(#output #errors).into()
}

/// Removes the helper attributes, even from an item that does not parse.
pub(crate) fn strip(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if is_helper(&token, &mut rest) {
            rest.next();
            continue;
        }
        kept.push(match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), strip(group.stream()));
                inner.set_span(group.span());
                inner.into()
            }
            other => other,
        });
    }
    kept.into_iter().collect()
}

/// Whether a `#` begins a helper attribute.
fn is_helper(token: &TokenTree, rest: &mut Peekable<token_stream::IntoIter>) -> bool {
    let TokenTree::Punct(punct) = token else { return false };
    let Some(TokenTree::Group(group)) = rest.peek() else { return false };
    if punct.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let mut tokens = group.stream().into_iter();
    let Some(first) = tokens.next().map(|first| first.to_string()) else { return false };
    // `#[from]` alone is another library's; `#[from(step)]` is an argument's of a saga.
    HELPERS.contains(&first.as_str())
        || first == "from" && matches!(tokens.next(), Some(TokenTree::Group(_)))
}
