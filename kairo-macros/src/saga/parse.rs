//! Reads `#[saga]`, its block, and the methods in it.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Meta, Signature, parse_quote};

use super::BLOCK;
use crate::{args::Args, mistakes::Mistakes};

const KEYS: &[&str] =
    &["timeout", "rollback_on_failure", "on", "output", "input", "local", "crate"];

const STEP_KEYS: &[&str] =
    &["pure", "after", "when", "no_compensation", "retry", "timeout", "on_unknown"];

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The block as it is emitted: without the attributes of its methods.
    pub(crate) item: ItemImpl,
    pub(crate) methods: Vec<Method>,
}

/// A method of the block.
pub(crate) struct Method {
    pub(crate) role: Role,
    /// Without `#[from(..)]` on its arguments.
    pub(crate) signature: Signature,
    /// `#[from(..)]` of each argument, the receiver aside.
    pub(crate) from: Vec<Option<Ident>>,
    /// Whether its attributes have mistakes already, so that what it means is not known.
    pub(crate) broken: bool,
    /// Its `#[cfg(..)]`, if it has one.
    pub(crate) condition: Option<Attribute>,
}

/// What a method is.
pub(crate) enum Role {
    Step(Args),
    Compensation {
        of: Option<Ident>,
        args: Args,
    },
    OnComplete,
    OnError,
    Migration {
        args: Args,
        place: Span,
    },
    /// None of these; it may decide whether a step runs.
    Other,
}

impl Role {
    const NAMES: [&str; 5] = ["step", "compensate", "on_complete", "on_error", "migrate"];

    fn read(mistakes: &mut Mistakes, attribute: &Attribute, method: &Signature) -> Self {
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        match word(attribute).as_deref() {
            Some("step") => Self::Step(parse(mistakes, "`#[step]`", STEP_KEYS, tokens)),
            Some("compensate") => Self::compensation(mistakes, attribute, method, tokens),
            Some("on_complete") => {
                parse(mistakes, "`#[on_complete]`", &[], tokens);
                Self::OnComplete
            }
            Some("on_error") => {
                parse(mistakes, "`#[on_error]`", &[], tokens);
                Self::OnError
            }
            _ => {
                let place = attribute
                    .path()
                    .segments
                    .first()
                    .map_or_else(Span::call_site, |it| it.ident.span());
                Self::Migration { args: parse(mistakes, "`#[migrate]`", &["from"], tokens), place }
            }
        }
    }

    /// `#[compensate(step, timeout = "30s")]`.
    fn compensation(
        mistakes: &mut Mistakes,
        attribute: &Attribute,
        method: &Signature,
        tokens: TokenStream,
    ) -> Self {
        let mut rest = tokens.clone().into_iter();
        let of = match (rest.next(), rest.next()) {
            (Some(TokenTree::Ident(of)), None) => Some(of),
            (Some(TokenTree::Ident(of)), Some(TokenTree::Punct(punct)))
                if punct.as_char() == ',' =>
            {
                Some(of)
            }
            _ => None,
        };
        let rest = if of.is_some() { rest.collect() } else { tokens };
        if of.is_none() {
            let name = &method.ident;
            mistakes.on(
                attribute,
                format!("`{name}` does not say which step it undoes: write `#[compensate(step)]`"),
            );
        }
        Self::Compensation { of, args: parse(mistakes, "`#[compensate]`", &["timeout"], rest) }
    }
}

/// Reads arguments that have no leading string.
fn parse(mistakes: &mut Mistakes, owner: &str, keys: &[&str], tokens: TokenStream) -> Args {
    let args = Args::parse(mistakes, owner, keys, tokens);
    if let Some(lead) = &args.lead {
        let message = format!("{owner} takes no bare text: remove it, or write `key = \"..\"`");
        mistakes.on(lead, message);
    }
    args
}

/// Reads the attribute and the block.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[saga]`", KEYS, attribute);
    let mut item = BLOCK.read(mistakes, item)?;
    let mut methods = vec![];
    for item in &mut item.items {
        match item {
            ImplItem::Fn(function) => methods.push(method(mistakes, function)),
            ImplItem::Const(other) => misused(mistakes, &take(&mut other.attrs)),
            ImplItem::Type(other) => misused(mistakes, &take(&mut other.attrs)),
            _ => {}
        }
    }
    Some(Input { args, item, methods })
}

fn method(mistakes: &mut Mistakes, function: &mut ImplItemFn) -> Method {
    let before = mistakes.count();
    let found = take(&mut function.attrs);
    let arguments = function.sig.inputs.iter_mut().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&mut argument.attrs),
        FnArg::Receiver(_) => None,
    });
    let from = arguments.map(|attributes| from(mistakes, attributes)).collect();
    let signature = function.sig.clone();
    let role = match found.split_first() {
        None => Role::Other,
        Some((attribute, more)) => {
            for second in more {
                let name = &signature.ident;
                mistakes.on(second, format!("`{name}` is one thing of a saga only: remove this"));
            }
            // A step is what it is whether or not it waits for anything, or uses all it may use.
            function.attrs.push(parse_quote!(#[allow(
                clippy::needless_pass_by_value,
                clippy::trivially_copy_pass_by_ref,
                clippy::unnecessary_wraps,
                clippy::unused_async,
                clippy::unused_self
            )]));
            Role::read(mistakes, attribute, &signature)
        }
    };
    let condition = function.attrs.iter().find(|it| it.path().is_ident("cfg")).cloned();
    Method { role, signature, from, broken: before < mistakes.count(), condition }
}

/// The name of an attribute that is one of a saga's.
fn word(attribute: &Attribute) -> Option<String> {
    let word = attribute.path().segments.last()?.ident.to_string();
    Role::NAMES.contains(&word.as_str()).then_some(word)
}

/// Takes a saga's attributes off an item.
fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| word(attribute).is_some()).collect()
}

/// Takes `#[from(step)]` off an argument.
fn from(mistakes: &mut Mistakes, attributes: &mut Vec<Attribute>) -> Option<Ident> {
    let found: Vec<_> =
        attributes.extract_if(.., |attribute| attribute.path().is_ident("from")).collect();
    let (attribute, more) = found.split_first()?;
    for second in more {
        mistakes.on(second, "`#[from(..)]` stands here twice: remove one of them");
    }
    let step = attribute.parse_args::<Ident>();
    if step.is_err() {
        let message = "`#[from(..)]` names one step, or the input: write `#[from(step)]`";
        mistakes.on(attribute, message);
    }
    step.ok()
}

fn misused(mistakes: &mut Mistakes, found: &[Attribute]) {
    for attribute in found {
        let name = word(attribute).unwrap_or_default();
        mistakes.on(attribute, format!("`#[{name}]` goes on a method: move it to one"));
    }
}
