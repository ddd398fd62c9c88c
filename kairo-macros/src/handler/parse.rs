//! Reads a handler's attribute, and the function or `impl` block that it stands on.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, ImplItem, ItemFn, ItemImpl, Meta, Path, Signature, parse_quote};

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
    /// `#[cfg(..)]` of the function, under which alone it can be registered.
    pub(crate) conditions: Vec<Attribute>,
    /// Whether its attribute has mistakes already.
    pub(crate) broken: bool,
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
    item: &TokenStream,
) -> Option<Input> {
    let before = mistakes.count();
    let args = kind.args(mistakes, attribute);
    let broken = before < mistakes.count();
    let (signature, conditions) = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(item) => (item.sig, conditions(&item.attrs)),
        Err(error) => {
            mistakes.push(misplaced(item.clone(), error, kind.attribute(), "an `async fn`"));
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
    Some(Input { kind, args, signature, library, conditions, broken })
}

/// A syntax error, or an item of another kind.
fn misplaced(item: TokenStream, error: syn::Error, attribute: &str, place: &str) -> syn::Error {
    if syn::parse2::<syn::Item>(item).is_err() {
        return error;
    }
    let message = format!("`#[{attribute}]` goes on {place}: move it to one");
    syn::Error::new(error.span(), message)
}

/// Reads `#[handlers]` and its block.
pub(crate) fn service(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Block> {
    let args = Args::parse(mistakes, "`#[handlers]`", &["crate"], attribute);
    if let Some(lead) = &args.lead {
        mistakes.on(lead, "`#[handlers]` takes no name: remove it");
    }
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let mut item = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            mistakes.push(misplaced(item.clone(), error, "handlers", "an `impl` block"));
            return None;
        }
    };
    let before = mistakes.count();
    check_block(mistakes, &item);
    let broken = before < mistakes.count();
    let mut methods: Vec<Input> = vec![];
    for item in &mut item.items {
        let ImplItem::Fn(function) = item else { continue };
        for (kind, attribute) in take(&mut function.attrs) {
            let before = mistakes.count();
            let args = kind.args(mistakes, tokens(&attribute));
            let broken = before < mistakes.count();
            let (signature, library) = (function.sig.clone(), library.clone());
            let conditions = conditions(&function.attrs);
            methods.push(Input { kind, args, signature, library, conditions, broken });
            // A handler is async whether or not it has anything to wait for.
            function.attrs.push(parse_quote!(#[allow(clippy::unused_async)]));
        }
    }
    if methods.is_empty() && mistakes.none() {
        let message = "this block has no handlers: add `#[handler]` to its methods";
        mistakes.on(&item.self_ty, message);
    }
    if broken {
        // Without a service there is nothing that the methods could be registered for.
        for method in &mut methods {
            method.broken = true;
        }
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

fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
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
