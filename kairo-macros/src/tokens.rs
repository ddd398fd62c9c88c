//! Small questions about types and tokens.

use std::time::Duration;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Type, spanned::Spanned};

/// The type, and whether it stood behind `&` or `&mut`.
pub(crate) fn peel(ty: &Type) -> (&Type, Borrowed) {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            (&reference.elem, Borrowed::Mutably)
        }
        Type::Reference(reference) => (&reference.elem, Borrowed::Shared),
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => (other, Borrowed::No),
    }
}

/// How an argument is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borrowed {
    No,
    Shared,
    Mutably,
}

/// The last segment of a type's path.
pub(crate) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// `T` of `Wrapper<T>`.
pub(crate) fn type_argument<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == wrapper)?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// Tokens as a person would write them.
pub(crate) fn show(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" <", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        ("( ", "("),
        (" )", ")"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

/// The span of all the tokens of a thing.
pub(crate) fn span(spanned: &impl Spanned) -> Span {
    spanned.span()
}

/// The same tokens, located at `span` but resolved as before: rustc reports an unmet bound at the
/// self type of `<T as Trait>::item`.
pub(crate) fn at(span: Span, tokens: impl ToTokens) -> TokenStream {
    map(tokens.to_token_stream(), &|mut token| {
        token.set_span(token.span().located_at(span));
        token.into()
    })
}

/// The same tokens with `Self` spelled out, for use outside the `impl` block.
pub(crate) fn without_self(tokens: impl ToTokens, self_type: &Type) -> TokenStream {
    map(tokens.to_token_stream(), &|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => self_type.to_token_stream(),
        other => other.into(),
    })
}

fn map(tokens: TokenStream, change: &impl Fn(TokenTree) -> TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), map(group.stream(), change));
                inner.set_span(group.span());
                TokenTree::from(inner).into()
            }
            other => change(other),
        })
        .collect()
}

/// An identifier that no user writes, so that nobody's constant turns it into a pattern.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// A duration as the library's type.
pub(crate) fn duration(duration: Duration) -> TokenStream {
    // The parser lets no duration pass that milliseconds cannot count.
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(__k::Duration::from_millis(#milliseconds))
}
