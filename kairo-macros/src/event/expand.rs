//! What an event becomes: `impl Event`, and its entry in the registry.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use super::{model::Model, parse::Input, stream::Part};
use crate::{
    names, payload,
    tokens::{at, local, show, span},
};

/// The item with its derives, and all that makes it an event.
pub(crate) fn attribute(input: &Input, model: &Model) -> TokenStream {
    let derives = payload::derives(&model.library, &input.item.attrs);
    let item = &input.item;
    // In front of the item, so that their messages come before those of the derives.
    let assertions = assertions(model);
    let event = derive(model);
    quote!(#assertions #derives #item #event)
}

/// All that makes a type an event.
pub(crate) fn derive(model: &Model) -> TokenStream {
    if !model.concrete {
        return quote!();
    }
    let library = &model.library;
    let implementation = implementation(model);
    let entry = (!model.broken).then(|| entry(model));
    let (chain, newtype) = (chain(model), newtype(model));
    let claim = claim(model);
    quote! {
        #[allow(dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic)]
        const _: () = {
            use #library::__private as __k;
            #implementation
            #entry
            #chain
            #newtype
        };
        #claim
    }
}

fn implementation(model: &Model) -> TokenStream {
    let Model { ident, name, version, .. } = model;
    let schema = (*version != 1).then(|| quote!(const SCHEMA: u32 = #version;));
    let ephemeral = model.ephemeral.then(|| {
        quote!(
            const EPHEMERAL: bool = true;
        )
    });
    let stream = stream(model);
    let validate = model.validate.then(|| {
        let this = at(ident.span(), quote!(Self));
        quote! {
            fn validate(&self) -> __k::Result<(), __k::Violations> {
                <#this as __k::Validate>::validate(self)
            }
        }
    });
    let decode = model.from.as_ref().map(|old| {
        let this = at(span(old), quote!(#ident));
        quote! {
            fn decode_schema(schema: u32, json: &[u8]) -> __k::Result<Self, __k::DecodeError> {
                __k::decode_from(schema, json, <#this as __k::Upcast<#old>>::upcast)
            }
        }
    });
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __k::Event for #ident {
            const NAME: &'static str = #name;
            #schema
            #ephemeral
            #stream
            #validate
            #decode
        }
    }
}

fn stream(model: &Model) -> Option<TokenStream> {
    let parts = model.stream.iter().map(|part| match part {
        Part::Text(text) => quote!(&#text),
        Part::Field { member, ty, span } => {
            let ty = at(*span, ty);
            quote!(<#ty as __k::Key>::part(&self.#member))
        }
    });
    (!model.stream.is_empty()).then(|| {
        quote! {
            fn stream(&self) -> __k::Option<__k::String> {
                __k::stream_of(&[#(#parts),*])
            }
        }
    })
}

fn entry(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let type_name = ident.to_string();
    // At the type's name, which is where the entry then says that it stands.
    let entry = quote_spanned! {ident.span()=>
        __k::event_entry::<#ident>(::core::module_path!(), #type_name)
    };
    quote!(__k::inventory::submit! { #entry })
}

/// A newtype can be made of what it holds, so that a stage can emit it.
fn newtype(model: &Model) -> Option<TokenStream> {
    let (ident, held) = (&model.ident, model.newtype.as_ref()?);
    let value = local("value");
    Some(quote! {
        #[automatically_derived]
        impl __k::From<&#held> for #ident
        where
            for<'k> #held: __k::Clone,
        {
            fn from(#value: &#held) -> Self {
                Self(__k::Clone::clone(#value))
            }
        }
    })
}

/// The version before this one must be the same event, one version older.
fn chain(model: &Model) -> Option<TokenStream> {
    let ident = &model.ident;
    let old = model.from.as_ref()?;
    let (new_type, old_type) = (ident.to_string(), show(old));
    let check = quote_spanned! {span(old)=>
        __k::check_upcast(
            #new_type, <#ident as __k::Event>::NAME, <#ident as __k::Event>::SCHEMA,
            #old_type, <#old as __k::Event>::NAME, <#old as __k::Event>::SCHEMA,
        )
    };
    Some(quote!(const versions_form_a_chain: () = #check;))
}

/// Fields that cannot be stored are reported here, in one sentence each.
fn assertions(model: &Model) -> Option<TokenStream> {
    let Model { assertions, library, .. } = model;
    (!assertions.is_empty()).then(|| {
        quote! {
            const _: () = {
                use #library::__private as __k;
                let _: &[fn()] = &[#(#assertions),*];
            };
        }
    })
}

/// A macro whose name is the event's: a second event of that name in the crate is a second
/// definition, which rustc reports at both.
fn claim(model: &Model) -> Option<TokenStream> {
    model.unique.then(|| {
        let name = names::mangled(&model.name.value());
        let claim = format_ident!("event__{name}__v{}", model.version);
        let place = model.name.span();
        let claim = at(place, quote!(#claim));
        quote_spanned! {place=>
            #[doc(hidden)]
            #[allow(non_local_definitions)]
            #[macro_export]
            macro_rules! #claim { () => {}; }
        }
    })
}
