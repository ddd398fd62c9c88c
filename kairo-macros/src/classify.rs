//! `#[derive(Classify)]`: an error type says which of its values trying again can help.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Fields, Meta};

use crate::{mistakes::Mistakes, paths};

/// Expands the derive.
pub(crate) fn derive(mistakes: &mut Mistakes, item: TokenStream) -> Option<TokenStream> {
    let input = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => {
            mistakes.push(error);
            return None;
        }
    };
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        mistakes.on(
            &input.generics.params,
            format!(
                "error `{ident}` cannot be generic: it is recognised at run time by its concrete \
                 type; remove the parameters, or write `impl Classify` yourself"
            ),
        );
    }
    let default = class(mistakes, &input.attrs).unwrap_or_else(|| format_ident!("Retryable"));
    let arms = arms(mistakes, &input.data, &default);
    let library = paths::library(None);
    let class_of = quote_spanned!(ident.span()=> <#ident as __k::Classified>::class_of);
    let class_of_context = quote!(<#ident as __k::Classified>::class_of_context);
    mistakes.none().then(|| {
        quote! {
            #[allow(unused_qualifications, clippy::all, clippy::pedantic)]
            const _: () = {
                use #library::__private as __k;
                #[automatically_derived]
                impl __k::Classify for #ident {
                    fn class(&self) -> __k::Class {
                        #arms
                    }
                }
                __k::inventory::submit! {
                    __k::Classifier { class: #class_of, class_of_context: #class_of_context }
                }
            };
        }
    })
}

fn arms(mistakes: &mut Mistakes, data: &Data, default: &Ident) -> TokenStream {
    let Data::Enum(data) = data else { return quote!(__k::Class::#default) };
    let mut arms = vec![];
    for variant in &data.variants {
        let name = &variant.ident;
        if let Some(class) = class(mistakes, &variant.attrs) {
            arms.push(quote!(Self::#name { .. } => __k::Class::#class,));
        }
        check_fields(mistakes, &variant.fields);
    }
    if arms.is_empty() {
        return quote!(__k::Class::#default);
    }
    let rest = (arms.len() < data.variants.len()).then(|| quote!(_ => __k::Class::#default,));
    quote!(match self { #(#arms)* #rest })
}

fn check_fields(mistakes: &mut Mistakes, fields: &Fields) {
    for attribute in fields.iter().flat_map(|field| &field.attrs) {
        if word(attribute).is_some() {
            let message = "a class belongs to a variant: move it in front of the variant";
            mistakes.on(attribute, message);
        }
    }
}

/// `#[permanent]` or `#[retryable]`, if there is exactly one of them.
fn class(mistakes: &mut Mistakes, attributes: &[Attribute]) -> Option<Ident> {
    let mut found = None;
    for attribute in attributes {
        let Some(class) = word(attribute) else { continue };
        if !matches!(attribute.meta, Meta::Path(_)) {
            let path = attribute.path();
            mistakes.on(attribute, format!("it takes no arguments: write `#[{}]`", quote!(#path)));
        }
        if found.is_some() {
            let message =
                "this is `#[permanent]` or `#[retryable]`, and only once: remove this one";
            mistakes.on(attribute, message);
        }
        found = Some(class);
    }
    found
}

fn word(attribute: &Attribute) -> Option<Ident> {
    if attribute.path().is_ident("permanent") {
        return Some(format_ident!("Permanent"));
    }
    attribute.path().is_ident("retryable").then(|| format_ident!("Retryable"))
}
