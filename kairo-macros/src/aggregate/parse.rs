//! Reads `#[aggregate]`, its block, and the `#[apply]` methods in it.

use proc_macro2::TokenStream;
use syn::{Attribute, ImplItem, ItemImpl, Meta, Signature};

use super::BLOCK;
use crate::{args::Args, mistakes::Mistakes};

const KEYS: &[&str] = &["event", "strict", "snapshot_every", "snapshot_version", "crate"];

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The block as it is emitted: without `#[apply]`.
    pub(crate) item: ItemImpl,
    pub(crate) methods: Vec<Method>,
}

/// A method with `#[apply]`.
pub(crate) struct Method {
    pub(crate) signature: Signature,
    /// Whether it makes the state: `#[apply(init)]`.
    pub(crate) init: bool,
    /// Whether its attribute has mistakes already, so that what it means is not known.
    pub(crate) broken: bool,
    /// Its `#[cfg(..)]`, if it has one.
    pub(crate) condition: Option<Attribute>,
}

/// Reads the attribute and the block.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[aggregate]`", KEYS, attribute);
    let mut item = BLOCK.read(mistakes, item)?;
    let mut methods = vec![];
    for item in &mut item.items {
        match item {
            ImplItem::Fn(function) => {
                let found = take(&mut function.attrs);
                methods.extend(read(mistakes, &found, &function.sig, &function.attrs));
            }
            ImplItem::Const(other) => misused(mistakes, &take(&mut other.attrs)),
            ImplItem::Type(other) => misused(mistakes, &take(&mut other.attrs)),
            _ => {}
        }
    }
    Some(Input { args, item, methods })
}

/// Takes `#[apply]` off an item.
fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    let is_apply = |attribute: &Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "apply")
    };
    attributes.extract_if(.., |attribute| is_apply(attribute)).collect()
}

fn read(
    mistakes: &mut Mistakes,
    found: &[Attribute],
    signature: &Signature,
    others: &[Attribute],
) -> Option<Method> {
    let (attribute, repeated) = found.split_first()?;
    for second in repeated {
        mistakes.on(second, "`#[apply]` stands here twice: remove one of them");
    }
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let before = mistakes.count();
    let args = Args::parse(mistakes, "`#[apply]`", &["init"], tokens);
    if let Some(lead) = &args.lead {
        mistakes.on(lead, "`#[apply]` takes no text: the event is that of the argument; remove it");
    }
    let init = args.flag(mistakes, "init");
    let broken = before < mistakes.count();
    let is_condition = |attribute: &&Attribute| attribute.path().is_ident("cfg");
    let condition = others.iter().find(is_condition).cloned();
    Some(Method { signature: signature.clone(), init, broken, condition })
}

fn misused(mistakes: &mut Mistakes, found: &[Attribute]) {
    for attribute in found {
        mistakes.on(attribute, "`#[apply]` goes on a method: move it to one");
    }
}
