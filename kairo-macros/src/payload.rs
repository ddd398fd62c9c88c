//! What makes a type storable: `#[data]`, and the derives that `#[event]` adds.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Meta, Path, PathArguments, Type};

use crate::{
    args::Args,
    event,
    mistakes::Mistakes,
    paths,
    tokens::{last_segment, show, span},
};

/// Expands `#[data]`.
pub(crate) fn expand(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<TokenStream> {
    let args = Args::parse(mistakes, "`#[data]`", &["crate"], attribute);
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            mistakes.push(event::parse::misplaced("data", item.clone(), Some(error)));
            return None;
        }
    };
    let derives = derives(&library, &item.attrs);
    Some(quote!(#derives #item))
}

/// `Clone`, `Debug`, `Serialize` and `Deserialize`, without those that the user has derived.
pub(crate) fn derives(library: &Path, attributes: &[Attribute]) -> TokenStream {
    let mut missing = vec![];
    for (name, path) in [
        ("Clone", quote!(::core::clone::Clone)),
        ("Debug", quote!(::core::fmt::Debug)),
        ("Serialize", quote!(#library::__private::serde::Serialize)),
        ("Deserialize", quote!(#library::__private::serde::Deserialize)),
    ] {
        if !is_derived(attributes, name) {
            missing.push((name, path));
        }
    }
    let paths = missing.iter().map(|(_, path)| path);
    let derive = if missing.is_empty() { quote!() } else { quote!(#[derive(#(#paths),*)]) };
    let adds_serde = missing.iter().any(|(name, _)| name.ends_with("ialize"));
    if !adds_serde || names_serde(attributes) {
        return derive;
    }
    let serde = LitStr::new(&format!("{}::__private::serde", show(library)), Span::call_site());
    quote!(#derive #[serde(crate = #serde)])
}

/// `Clone` and `Debug`, without those that the user has derived.
pub(crate) fn plain_derives(attributes: &[Attribute]) -> TokenStream {
    let clone = (!is_derived(attributes, "Clone")).then(|| quote!(#[derive(::core::clone::Clone)]));
    let debug = (!is_derived(attributes, "Debug")).then(|| quote!(#[derive(::core::fmt::Debug)]));
    quote!(#clone #debug)
}

pub(crate) fn is_derived(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.tokens.to_string().split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == name)
    })
}

/// Whether the user says where serde is.
fn names_serde(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let mut found = false;
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("crate");
            if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Expr>()?;
            }
            Ok(())
        });
        found
    })
}

/// One assertion for each type of field that may not be storable, at the field.
///
/// Fields with a serde attribute are left to serde, and types that are known to be storable cost
/// nothing.
pub(crate) fn assertions(data: &Data) -> Vec<TokenStream> {
    let mut seen = vec![];
    let mut assertions = vec![];
    for field in fields(data) {
        let text = show(&field.ty);
        let by_serde = field.attrs.iter().any(|attribute| attribute.path().is_ident("serde"));
        if by_serde || is_builtin(&field.ty) || seen.contains(&text) {
            continue;
        }
        let ty = &field.ty;
        assertions.push(quote_spanned!(span(ty)=> __k::fits::<#ty>));
        seen.push(text);
    }
    assertions
}

fn fields(data: &Data) -> impl Iterator<Item = &syn::Field> {
    let groups: Vec<&Fields> = match data {
        Data::Struct(data) => vec![&data.fields],
        Data::Enum(data) => data.variants.iter().map(|variant| &variant.fields).collect(),
        Data::Union(_) => vec![],
    };
    groups.into_iter().flatten()
}

/// Types of the standard library, and `Uuid`, that everybody knows to be storable.
fn is_builtin(ty: &Type) -> bool {
    const PLAIN: &[&str] = &[
        "String", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64", "Uuid",
    ];
    if let Type::Tuple(tuple) = ty {
        return tuple.elems.iter().all(is_builtin);
    }
    let Some(segment) = last_segment(ty) else { return false };
    match &segment.arguments {
        PathArguments::None => PLAIN.iter().any(|plain| segment.ident == plain),
        PathArguments::AngleBracketed(arguments) => {
            (segment.ident == "Option" || segment.ident == "Vec")
                && arguments.args.iter().all(
                    |argument| matches!(argument, syn::GenericArgument::Type(ty) if is_builtin(ty)),
                )
        }
        PathArguments::Parenthesized(_) => false,
    }
}
