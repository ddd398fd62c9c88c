//! The types that `#[saga]` generates: the names of the steps, and the typed state.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use super::{
    model::{Model, Step},
    steps::RESERVED,
};
use crate::names;

/// `EcommerceOrderStep`.
pub(crate) fn step_ident(model: &Model) -> Ident {
    format_ident!("{}Step", model.ident)
}

/// `EcommerceOrderEvent`.
fn event_ident(model: &Model) -> Ident {
    format_ident!("{}Event", model.ident)
}

/// `EcommerceOrderState`.
pub(crate) fn state_ident(model: &Model) -> Ident {
    format_ident!("{}State", model.ident)
}

fn variant(step: &Step) -> Ident {
    let name = names::pascal(&step.ident.unraw().to_string());
    // `_1` and `self_` are names of methods, but `1` and `Self` are none of variants.
    let odd = name == "Self" || !name.starts_with(char::is_alphabetic);
    let name = if odd { format!("Step{name}") } else { name };
    Ident::new(&name, step.ident.span())
}

/// The steps that have a field of their own; a name that the state has already is a mistake.
fn fields(model: &Model) -> impl Iterator<Item = &Step> {
    model.steps.iter().filter(|step| RESERVED.iter().all(|reserved| step.ident != reserved))
}

/// The definitions, beside the block. As visible as they may have to be: the block does not say how
/// visible its type is.
pub(crate) fn definitions(model: &Model) -> TokenStream {
    let Model { library, ident, input, steps, .. } = model;
    let (step, state) = (step_ident(model), state_ident(model));
    let step_doc = format!("A step of `{ident}`.");
    let event = event_ident(model);
    let event_doc = format!("An event in the life of a `{ident}`.");
    let state_doc = format!("How far a `{ident}` is, with what its steps have returned.");
    let variants = steps.iter().map(|step| {
        let (variant, doc) = (variant(step), format!("`{ident}::{}`.", step.ident));
        quote!(#[doc = #doc] #variant)
    });
    let fields = fields(model).map(|Step { ident: name, output, .. }| {
        let doc = format!("What is known of `{ident}::{name}`.");
        quote!(#[doc = #doc] pub #name: #library::__private::Slot<#output>)
    });
    quote! {
        #[doc = #step_doc]
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug,
            ::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash,
        )]
        #[allow(dead_code, unreachable_pub, clippy::enum_variant_names)]
        pub enum #step { #(#variants),* }

        #[doc = #event_doc]
        #[allow(dead_code, unreachable_pub)]
        pub type #event = #library::__private::SagaEvent<#step>;

        #[doc = #state_doc]
        #[allow(dead_code, private_interfaces, unreachable_pub, clippy::struct_field_names)]
        pub struct #state {
            /// Where it is.
            pub phase: #library::__private::Phase,
            /// What it was started with.
            pub input: #input,
            #(#fields),*
        }
    }
}

/// What the generated types can do.
pub(crate) fn implementations(model: &Model) -> TokenStream {
    let (names, shown, cloned) = (names(model), shown(model), cloned(model));
    quote!(#names #shown #cloned)
}

fn names(model: &Model) -> TokenStream {
    let this = step_ident(model);
    let variants: Vec<_> = model.steps.iter().map(variant).collect();
    let names = model.steps.iter().map(|step| step.ident.unraw().to_string());
    let saga = &model.name;
    quote! {
        #[automatically_derived]
        impl __k::SagaStep for #this {
            const SAGA: &'static str = #saga;
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            fn name(self) -> &'static str {
                match self { #(Self::#variants => #names),* }
            }
        }
        #[automatically_derived]
        impl __k::Display for #this {
            fn fmt(&self, f: &mut __k::Formatter<'_>) -> __k::FmtResult {
                f.write_str(__k::SagaStep::name(*self))
            }
        }
    }
}

/// `Debug`, with `..` in place of what has none.
fn shown(model: &Model) -> TokenStream {
    let this = state_ident(model);
    let name = this.to_string();
    let fields = fields(model).map(|step| {
        let (field, name) = (&step.ident, step.ident.unraw().to_string());
        quote!(.field(#name, (&__k::Shown(&self.#field)).shown()))
    });
    quote! {
        #[automatically_derived]
        impl __k::Debug for #this {
            fn fmt(&self, f: &mut __k::Formatter<'_>) -> __k::FmtResult {
                use __k::{ShownAsIs as _, ShownByName as _};
                f.debug_struct(#name)
                    .field("phase", &self.phase)
                    .field("input", (&__k::Shown(&self.input)).shown())
                    #(#fields)*
                    .finish()
            }
        }
    }
}

/// `Clone`, if everything in it can be cloned: such a bound is not checked where it is written.
fn cloned(model: &Model) -> TokenStream {
    let this = state_ident(model);
    let input = &model.input;
    let outputs = fields(model).map(|step| &step.output);
    let fields: Vec<_> = fields(model).map(|step| &step.ident).collect();
    quote! {
        #[automatically_derived]
        impl __k::Clone for #this
        where
            for<'k> #input: __k::Clone,
            #(for<'k> #outputs: __k::Clone,)*
        {
            fn clone(&self) -> Self {
                Self {
                    phase: self.phase,
                    input: __k::Clone::clone(&self.input),
                    #(#fields: __k::Clone::clone(&self.#fields)),*
                }
            }
        }
    }
}
