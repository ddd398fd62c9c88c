//! Reads a handler's attribute, and the function or `impl` block that it stands on.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, ImplItem, ItemFn, ItemImpl, Meta, Path, Signature};

use crate::{
    args::Args,
    mistakes::Mistakes,
    paths,
    tokens::{last_segment, show},
};

const KEYS: &[&str] = &[
    "event",
    "pattern",
    "regex",
    "name",
    "retry",
    "timeout",
    "concurrency",
    "unordered",
    "start",
    "dead_letter",
    "on_dead",
    "renamed_from",
    "filter",
    "ephemeral",
    "crate",
];

const DEAD_LETTER_KEYS: &[&str] = &[
    "name",
    "retry",
    "timeout",
    "concurrency",
    "unordered",
    "start",
    "renamed_from",
    "filter",
    "crate",
];

/// Which attribute it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handler,
    OnDeadLetter,
}

impl Kind {
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::OnDeadLetter => "on_dead_letter",
        }
    }

    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Handler => KEYS,
            Self::OnDeadLetter => DEAD_LETTER_KEYS,
        }
    }

    fn args(self, mistakes: &mut Mistakes, tokens: TokenStream) -> Args {
        Args::parse(mistakes, &format!("`#[{}]`", self.attribute()), self.keys(), tokens)
    }
}

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) kind: Kind,
    pub(crate) args: Args,
    pub(crate) signature: Signature,
    pub(crate) library: Path,
}

/// An `impl` block with handlers, and the block without their attributes.
pub(crate) struct Block {
    pub(crate) library: Path,
    pub(crate) item: ItemImpl,
    pub(crate) methods: Vec<Input>,
}

/// Reads an attribute on a function.
pub(crate) fn function(
    mistakes: &mut Mistakes,
    kind: Kind,
    attribute: TokenStream,
    item: TokenStream,
) -> Option<Input> {
    let args = kind.args(mistakes, attribute);
    let signature = match signature(item) {
        Ok(signature) => signature,
        Err(error) => {
            mistakes.at(
                error.span(),
                format!(
                    "{error} (`#[{}]` goes on an `async fn`: move it to one)",
                    kind.attribute()
                ),
            );
            return None;
        }
    };
    if let Some(receiver) = signature.receiver() {
        let name = &signature.ident;
        mistakes.on(
            receiver,
            format!("`{name}` is a method: put `#[handlers]` on the `impl` block around it"),
        );
        return None;
    }
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    Some(Input { kind, args, signature, library })
}

/// The signature alone: the body stays as it was written, even where it does not parse.
fn signature(item: TokenStream) -> syn::Result<Signature> {
    syn::parse2::<ItemFn>(item).map(|item| item.sig)
}

/// Reads `#[handlers]` and its block.
pub(crate) fn service(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: TokenStream,
) -> Option<Block> {
    let args = Args::parse(mistakes, "`#[handlers]`", &["crate"], attribute);
    if let Some(lead) = &args.lead {
        mistakes.on(lead, "`#[handlers]` takes no name: remove it");
    }
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let mut item = match syn::parse2::<ItemImpl>(item) {
        Ok(item) => item,
        Err(error) => {
            mistakes.at(
                error.span(),
                format!("{error} (`#[handlers]` goes on an `impl` block: move it to one)"),
            );
            return None;
        }
    };
    check_block(mistakes, &item);
    let mut methods = vec![];
    for item in &mut item.items {
        let ImplItem::Fn(function) = item else { continue };
        for (kind, attribute) in take(&mut function.attrs) {
            let args = kind.args(mistakes, tokens(&attribute));
            let (signature, library) = (function.sig.clone(), library.clone());
            methods.push(Input { kind, args, signature, library });
        }
    }
    if methods.is_empty() && mistakes.none() {
        let message = "this block has no handlers: add `#[handler]` to its methods";
        mistakes.on(&item.self_ty, message);
    }
    Some(Block { library, item, methods })
}

fn check_block(mistakes: &mut Mistakes, item: &ItemImpl) {
    if let Some((path, _)) = &item.trait_ {
        let service = show(&item.self_ty);
        mistakes.on(
            path,
            format!(
                "`#[handlers]` goes on a block of the type's own: move the handlers to `impl \
                 {service} {{ .. }}`"
            ),
        );
    }
    if !item.generics.params.is_empty() {
        mistakes.on(
            &item.generics.params,
            "a service cannot be generic: it is registered once; use a concrete type",
        );
    }
    if last_segment(&item.self_ty).is_none() {
        mistakes.on(&item.self_ty, "a service is a type with a name: use a struct of your own");
    }
}

/// Takes the handler attributes off a method.
fn take(attributes: &mut Vec<Attribute>) -> Vec<(Kind, Attribute)> {
    let kind = |attribute: &Attribute| match attribute.path().segments.last() {
        Some(last) if last.ident == "handler" => Some(Kind::Handler),
        Some(last) if last.ident == "on_dead_letter" => Some(Kind::OnDeadLetter),
        _ => None,
    };
    attributes
        .extract_if(.., |attribute| kind(attribute).is_some())
        .filter_map(|attribute| Some((kind(&attribute)?, attribute)))
        .collect()
}

fn tokens(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

impl Input {
    /// The function's name, and where it stands.
    pub(crate) fn name(&self) -> (String, Span) {
        (self.signature.ident.to_string(), self.signature.ident.span())
    }
}
