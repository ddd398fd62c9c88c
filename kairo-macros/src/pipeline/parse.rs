//! Reads `#[pipeline]`, its block, and the methods in it.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, ImplItemFn, ItemFn, ItemImpl, Meta, Signature, Token, Type, parse_quote,
    punctuated::Punctuated,
};

use crate::{args::Args, mistakes::Mistakes};

const KEYS: &[&str] = &["on", "events", "timeout", "local", "crate"];

const STAGE_KEYS: &[&str] = &["retry", "timeout"];

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The block as it is emitted: without the attributes of its methods.
    pub(crate) item: ItemImpl,
    pub(crate) methods: Vec<Method>,
}

/// A method of the block that takes part.
pub(crate) struct Method {
    pub(crate) role: Role,
    pub(crate) signature: Signature,
    /// The events of `#[emit(Event)]` beside another role.
    pub(crate) emits: Vec<Type>,
    /// Its `#[cfg(..)]`, if it has one.
    pub(crate) condition: Option<Attribute>,
}

/// What a method is.
pub(crate) enum Role {
    Stage(Kind, Args),
    OnSuccess,
    OnError,
}

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It makes something else of what flows by.
    Map,
    /// It lets pass what it wants.
    Filter,
    /// It makes an event, which is published.
    Emit,
}

/// The names of the attributes that a pipeline's methods have.
const NAMES: [&str; 5] = ["map", "filter", "emit", "on_success", "on_error"];

/// Reads the attribute and the block.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[pipeline]`", KEYS, attribute);
    let mut item = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            mistakes.push(misplaced(item.clone(), error));
            return None;
        }
    };
    let mut methods = vec![];
    for item in &mut item.items {
        match item {
            ImplItem::Fn(function) => methods.extend(method(mistakes, function)),
            ImplItem::Const(other) => misused(mistakes, &take(&mut other.attrs)),
            ImplItem::Type(other) => misused(mistakes, &take(&mut other.attrs)),
            _ => {}
        }
    }
    Some(Input { args, item, methods })
}

/// A syntax error, or an item of another kind.
fn misplaced(item: TokenStream, error: syn::Error) -> syn::Error {
    if syn::parse2::<syn::Item>(item).is_err() {
        return error;
    }
    let message = "`#[pipeline]` goes on the `impl` block with the stages: move it to one";
    syn::Error::new(error.span(), message)
}

fn method(mistakes: &mut Mistakes, function: &mut ImplItemFn) -> Option<Method> {
    let mut found = take(&mut function.attrs);
    let first = found.iter().position(|attribute| !is(attribute, "emit")).unwrap_or_default();
    if found.is_empty() {
        return None;
    }
    let attribute = found.remove(first);
    let (emits, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| is(it, "emit"));
    let signature = function.sig.clone();
    let name = &signature.ident;
    for second in others {
        mistakes.on(second, format!("`{name}` is one thing of a pipeline only: remove this"));
    }
    // A stage is what it is whether or not it waits for anything, or uses all it may use.
    function.attrs.push(parse_quote!(#[allow(
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unnecessary_wraps,
        clippy::unused_async,
        clippy::unused_self
    )]));
    let role = role(mistakes, &attribute);
    let emits = emits.iter().flat_map(|emit| events(mistakes, &role, emit)).collect();
    let condition = function.attrs.iter().find(|it| it.path().is_ident("cfg")).cloned();
    Some(Method { role, signature, emits, condition })
}

fn role(mistakes: &mut Mistakes, attribute: &Attribute) -> Role {
    let tokens = tokens(attribute);
    match word(attribute).as_deref() {
        Some("map") => Role::Stage(Kind::Map, parse(mistakes, "`#[map]`", STAGE_KEYS, tokens)),
        Some("filter") => {
            Role::Stage(Kind::Filter, parse(mistakes, "`#[filter]`", STAGE_KEYS, tokens))
        }
        Some("on_success") => {
            parse(mistakes, "`#[on_success]`", &[], tokens);
            Role::OnSuccess
        }
        Some("on_error") => {
            parse(mistakes, "`#[on_error]`", &[], tokens);
            Role::OnError
        }
        _ if names_a_type(&tokens) => {
            let message = "`#[emit(Event)]` stands beside a `#[map]` or `#[filter]`, of whose value the \
                           event is made: add one of them, or write `#[emit]` where the method returns \
                           the event";
            mistakes.on(attribute, message);
            Role::Stage(Kind::Emit, Args::none())
        }
        _ => Role::Stage(Kind::Emit, parse(mistakes, "`#[emit]`", STAGE_KEYS, tokens)),
    }
}

/// The events of an `#[emit(..)]` beside another attribute.
fn events(mistakes: &mut Mistakes, role: &Role, attribute: &Attribute) -> Vec<Type> {
    if !matches!(role, Role::Stage(Kind::Map | Kind::Filter, _)) {
        mistakes.on(attribute, "`#[emit]` stands here for nothing that flows on: remove it");
        return vec![];
    }
    let parser = Punctuated::<Type, Token![,]>::parse_terminated;
    let events = match &attribute.meta {
        Meta::List(list) => list.parse_args_with(parser).ok().filter(|events| !events.is_empty()),
        _ => None,
    };
    if events.is_none() {
        let message = "`#[emit]` beside another attribute names the event, which is made of what the \
                       stage gives: write `#[emit(Event)]`";
        mistakes.on(attribute, message);
    }
    events.into_iter().flatten().collect()
}

/// Reads arguments that have no leading string.
fn parse(mistakes: &mut Mistakes, owner: &str, keys: &[&str], tokens: TokenStream) -> Args {
    let args = Args::parse(mistakes, owner, keys, tokens);
    if let Some(lead) = &args.lead {
        let message =
            format!("{owner} takes no bare text, a stage has the name of its method: remove it");
        mistakes.on(lead, message);
    }
    args
}

fn tokens(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// Whether the first word looks like a type's name, and not like that of an option.
fn names_a_type(tokens: &TokenStream) -> bool {
    match tokens.clone().into_iter().next() {
        Some(TokenTree::Ident(word)) => word.to_string().starts_with(char::is_uppercase),
        _ => false,
    }
}

/// The name of an attribute that is one of a pipeline's.
fn word(attribute: &Attribute) -> Option<String> {
    let word = attribute.path().segments.last()?.ident.to_string();
    NAMES.contains(&word.as_str()).then_some(word)
}

fn is(attribute: &Attribute, name: &str) -> bool {
    word(attribute).is_some_and(|word| word == name)
}

/// Takes a pipeline's attributes off an item.
fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| word(attribute).is_some()).collect()
}

fn misused(mistakes: &mut Mistakes, found: &[Attribute]) {
    for attribute in found {
        let name = word(attribute).unwrap_or_default();
        mistakes.on(attribute, format!("`#[{name}]` goes on a method: move it to one"));
    }
}

/// What is said to an attribute that no `#[pipeline]` has taken.
pub(crate) fn stray(attribute: &str, item: &TokenStream) -> syn::Error {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let message = format!(
            "`#[{attribute}]` goes on a method of an `impl` block with `#[pipeline(\"its-name\")]` on \
             it: move it to one"
        );
        return syn::Error::new(Span::call_site(), message);
    };
    let name = &function.sig.ident;
    let message = if function.sig.receiver().is_some() {
        format!(
            "`{name}` is in no pipeline: put `#[pipeline(\"its-name\")]` on the `impl` block around it"
        )
    } else {
        format!(
            "`{name}` is in no pipeline: move it to an `impl` block with `#[pipeline(\"its-name\")]` \
             on it"
        )
    };
    syn::Error::new(name.span(), message)
}
