//! Collects every mistake of one item, so that its author sees all of them at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes that were found so far.
#[derive(Default)]
pub(crate) struct Mistakes {
    found: Vec<syn::Error>,
}

impl Mistakes {
    /// A mistake at one place.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    /// A mistake that spans some tokens.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    /// What a parser found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// Whether there is none so far: a rule that would only echo an earlier mistake asks this.
    pub(crate) fn none(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are so far.
    pub(crate) const fn count(&self) -> usize {
        self.found.len()
    }

    /// One compile error each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.found.iter().map(syn::Error::to_compile_error).collect()
    }
}
