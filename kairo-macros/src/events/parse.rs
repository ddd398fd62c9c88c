//! Reads `#[events]` and its enum.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Fields, Ident, ItemEnum, Meta, spanned::Spanned};

use crate::{args::Args, event, mistakes::Mistakes};

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The enum as it is emitted: without the attributes that nobody else understands.
    pub(crate) item: ItemEnum,
    pub(crate) variants: Vec<Variant>,
}

/// One variant.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    /// The fields as they were written.
    pub(crate) fields: Fields,
    /// Attributes that also belong to the event type of a variant with inline fields.
    pub(crate) attributes: Vec<Attribute>,
    /// The arguments of `#[event(..)]` in front of it.
    pub(crate) event: Option<Args>,
    /// Where `#[other]` stands.
    pub(crate) other: Option<Span>,
}

/// Reads the attribute and the enum.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[events]`", &["prefix", "crate"], attribute);
    let mut item = match syn::parse2::<ItemEnum>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let message = "`#[events]` goes on an enum with one variant for each event: use an \
                           enum here, or `#[event(\"..\")]` for a single event";
            mistakes.at(error.span(), message);
            return None;
        }
    };
    let variants = item.variants.iter_mut().map(|variant| read(mistakes, variant)).collect();
    Some(Input { args, item, variants })
}

/// The input of an enum whose variants hold one event each.
pub(crate) fn generated(item: ItemEnum) -> Input {
    let variants = item.variants.iter().map(|variant| Variant {
        ident: variant.ident.clone(),
        fields: variant.fields.clone(),
        attributes: vec![],
        event: None,
        other: None,
    });
    Input { args: Args::none(), variants: variants.collect(), item }
}

fn read(mistakes: &mut Mistakes, variant: &mut syn::Variant) -> Variant {
    let event = take(&mut variant.attrs, "event").map(|attribute| {
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        Args::parse(mistakes, "`#[event]`", event::parse::KEYS, tokens)
    });
    let other = take(&mut variant.attrs, "other").map(|attribute| attribute.span());
    let fields = variant.fields.clone();
    let serde = take_all(&mut variant.attrs, "serde");
    for field in &mut variant.fields {
        take_all(&mut field.attrs, "key");
        take_all(&mut field.attrs, "serde");
    }
    let docs = variant.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned();
    let attributes = docs.chain(serde).collect();
    Variant { ident: variant.ident.clone(), fields, attributes, event, other }
}

fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    take_all(attributes, name).into_iter().next()
}

fn take_all(attributes: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| attribute.path().is_ident(name)).collect()
}
