//! Reads an event's attribute and its item.

use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Item, Meta, spanned::Spanned};

use crate::{args::Args, fallback, mistakes::Mistakes};

pub(crate) const KEYS: &[&str] =
    &["version", "from", "stream", "ephemeral", "validate", "local", "crate"];
const DERIVE_KEYS: &[&str] =
    &["event", "version", "from", "stream", "ephemeral", "validate", "local", "crate"];

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The item, with its `#[key]` attributes taken out.
    pub(crate) item: DeriveInput,
    /// Where `#[key]` stood: the field's index, and the attribute.
    pub(crate) keys: Vec<(usize, Attribute)>,
    /// How the name is written: as `#[event("..")]`, or as `#[kairo(event = "..")]`.
    pub(crate) derived: bool,
}

/// Reads `#[event(..)]` and its item.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[event]`", KEYS, attribute);
    let item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) if !matches!(item.data, Data::Union(_)) => item,
        result => {
            mistakes.push(misplaced("event", item.clone(), result.err()));
            return None;
        }
    };
    Some(input(args, item, false))
}

/// Reads the item of `#[derive(Event)]`.
pub(crate) fn derive(mistakes: &mut Mistakes, item: TokenStream) -> Option<Input> {
    let item = match syn::parse2::<DeriveInput>(item) {
        Ok(item) => item,
        Err(error) => {
            mistakes.push(error);
            return None;
        }
    };
    let mut tokens = TokenStream::new();
    for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("kairo")) {
        match &attribute.meta {
            Meta::List(list) => tokens.extend(list.tokens.clone()),
            _ => mistakes.on(attribute, "write `#[kairo(event = \"user.created\")]`"),
        }
    }
    let args = Args::parse(mistakes, "`#[kairo(..)]`", DERIVE_KEYS, tokens);
    Some(input(args, item, true))
}

/// Makes an input of an item, taking `#[key]` out of its fields.
pub(crate) fn input(args: Args, mut item: DeriveInput, derived: bool) -> Input {
    let mut keys = vec![];
    if let Data::Struct(data) = &mut item.data {
        for (index, field) in data.fields.iter_mut().enumerate() {
            let is_key = |attribute: &Attribute| attribute.path().is_ident("key");
            keys.extend(field.attrs.extract_if(.., |it| is_key(it)).map(|key| (index, key)));
        }
    }
    Input { args, item, keys, derived }
}

/// A syntax error, or an item that cannot be a payload.
pub(crate) fn misplaced(
    attribute: &str,
    item: TokenStream,
    error: Option<syn::Error>,
) -> syn::Error {
    match syn::parse2::<Item>(fallback::strip(item)) {
        Ok(other) => syn::Error::new(
            keyword(&other),
            format!("`#[{attribute}]` goes on a struct or an enum: move it to one"),
        ),
        Err(other) => error.unwrap_or(other),
    }
}

/// The narrowest token that says what kind of item it is.
fn keyword(item: &Item) -> proc_macro2::Span {
    match item {
        Item::Fn(item) => item.sig.fn_token.span,
        Item::Impl(item) => item.impl_token.span,
        Item::Trait(item) => item.trait_token.span,
        Item::Mod(item) => item.mod_token.span,
        Item::Union(item) => item.union_token.span,
        other => other.span(),
    }
}
