//! What a typed event enum becomes: itself, the event types of its inline variants, and the
//! implementations that make it a set.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Fields, Type};

use super::{
    model::{Member, Model},
    parse::Input,
};
use crate::{
    event, payload,
    tokens::{local, show, span},
};

/// The enum and all that makes it a set.
pub(crate) fn set(input: &Input, model: &Model) -> TokenStream {
    let item = &input.item;
    let derives = payload::plain_derives(&item.attrs);
    let inline = model.members.iter().filter_map(|member| member.inline.as_ref());
    let inline = inline.map(|(input, model)| event::expand::attribute(input, model));
    let set = (!model.broken).then(|| implementations(&item.ident, model));
    quote!(#derives #item #(#inline)* #set)
}

fn implementations(ident: &Ident, model: &Model) -> TokenStream {
    let library = &model.library;
    let event_set = event_set(ident, model);
    let receive = receive(ident);
    let checks = checks(ident, model);
    let publishable = publishable(ident, model);
    let conversions = model.members.iter().map(|member| conversion(ident, member));
    quote! {
        #[allow(
            dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic
        )]
        const _: () = {
            use #library::__private as __k;
            #checks
            #event_set
            #receive
            #publishable
            #(#conversions)*
        };
    }
}

fn event_set(ident: &Ident, model: &Model) -> TokenStream {
    let names = model
        .members
        .iter()
        .map(|Member { ty, .. }| quote_spanned!(span(ty)=> <#ty as __k::Event>::NAME));
    let types = model.members.iter().map(|Member { ty, .. }| show(ty));
    let ephemeral = model.members.first().map(|Member { ty, .. }| {
        quote_spanned!(span(ty)=> const EPHEMERAL: bool = <#ty as __k::Event>::EPHEMERAL;)
    });
    let open = model.other.is_some().then(|| {
        quote!(
            const OPEN: bool = true;
        )
    });
    let event = local("event");
    let decoded = model.members.iter().map(|Member { ty, .. }| {
        quote_spanned! {span(ty)=>
            if #event.name() == <#ty as __k::Event>::NAME {
                return __k::Ok(<Self as __k::From<#ty>>::from(#event.decode()?));
            }
        }
    });
    let unknown = quote!(__k::Err(__k::not_a_member::<Self>(#event)));
    let rest = model
        .other
        .as_ref()
        .map_or(unknown, |other| quote!(__k::Ok(Self::#other(__k::Clone::clone(#event)))));
    quote! {
        #[automatically_derived]
        impl __k::EventSet for #ident {
            const NAMES: &'static [&'static str] = &[#(#names),*];
            const TYPES: &'static [&'static str] = &[#(#types),*];
            #ephemeral
            #open
            fn decode_set(#event: &__k::AnyEvent) -> __k::Result<Self, __k::DecodeError> {
                #(#decoded)*
                #rest
            }
        }
    }
}

/// The set as the argument of a handler without a pattern. A blanket implementation in the library
/// would overlap with the one for events.
fn receive(ident: &Ident) -> TokenStream {
    let (delivery, event) = (local("delivery"), local("event"));
    let decode = quote!(<Self as __k::EventSet>::decode_set);
    quote! {
        #[automatically_derived]
        impl __k::Receive for #ident {
            const INTAKE: __k::Intake = <Self as __k::EventSet>::INTAKE;
            fn own(#delivery: __k::Delivery<'_>) -> __k::Result<Self, __k::RunError> {
                __k::set_own(#delivery, #decode)
            }
            fn borrow<'a>(
                #delivery: __k::Delivery<'a>,
            ) -> __k::Result<__k::EventRef<'a, Self>, __k::RunError> {
                __k::set_borrow(#delivery, #decode)
            }
            fn envelope(
                #delivery: __k::Delivery<'_>,
            ) -> __k::Result<__k::Envelope<Self>, __k::RunError> {
                __k::set_envelope(#delivery, #decode)
            }
            fn peek(#event: &__k::AnyEvent) -> __k::Result<__k::Arc<Self>, __k::DecodeError> {
                #decode(#event).map(__k::Arc::new)
            }
        }
    }
}

/// A value is published as the event that it holds.
fn publishable(ident: &Ident, model: &Model) -> TokenStream {
    let event = local("event");
    let other = model.other.as_ref();
    let drafts = model.members.iter().map(|member| {
        let Member { variant, ty, inline } = member;
        match inline {
            None => held(variant, ty, &quote!(member_draft)),
            Some((input, _)) => {
                let (pattern, value) = copied(ty, input);
                quote!(Self::#variant #pattern => __k::inline_draft(#value),)
            }
        }
    });
    let members = model.members.iter().filter(|member| member.inline.is_none());
    let in_memory =
        members.map(|Member { variant, ty, .. }| held(variant, ty, &quote!(member_in_memory)));
    let other_draft =
        other.map(|other| quote!(Self::#other(#event) => __k::Publishable::draft(#event),));
    let has_rest = other.is_some() || model.members.iter().any(|member| member.inline.is_some());
    let rest = has_rest.then(|| quote!(_ => __k::None,));
    quote! {
        #[automatically_derived]
        impl __k::Publishable for #ident {
            const EPHEMERAL: bool = <Self as __k::EventSet>::EPHEMERAL;
            fn draft(&self) -> __k::Result<__k::Draft, __k::Error> {
                match self { #(#drafts)* #other_draft }
            }
            fn in_memory(&self) -> __k::Option<__k::InMemory<'_>> {
                match self { #(#in_memory)* #rest }
            }
        }
    }
}

/// Calls a function with the event that a variant holds. All of it stands where the type does, and
/// names the type first, so that one that is no event is complained of once.
fn held(variant: &Ident, ty: &Type, function: &TokenStream) -> TokenStream {
    quote_spanned! {span(ty)=>
        Self::#variant(__held) => __k::#function(<#ty as __k::Event>::NAME, __held),
    }
}

/// A pattern for the fields of a variant, and its event type with copies of them.
fn copied(ty: &Type, input: &event::parse::Input) -> (TokenStream, TokenStream) {
    let syn::Data::Struct(data) = &input.item.data else { return Default::default() };
    let members: Vec<_> = data.fields.members().collect();
    let fields: Vec<_> = (0..members.len()).map(|index| local(&format!("field_{index}"))).collect();
    let pattern = quote!({ #(#members: #fields),* });
    (pattern, quote!(#ty { #(#members: __k::Clone::clone(#fields)),* }))
}

fn checks(ident: &Ident, model: &Model) -> TokenStream {
    let set = ident.to_string();
    let names = quote!(<#ident as __k::EventSet>::NAMES);
    let unique = quote_spanned!(ident.span()=> __k::check_unique(#set, #names));
    let ephemeral = model
        .members
        .iter()
        .map(|Member { ty, .. }| quote_spanned!(span(ty)=> <#ty as __k::Event>::EPHEMERAL));
    let alike = quote_spanned!(ident.span()=> __k::check_temper(#set, &[#(#ephemeral),*], #names));
    let pattern = model.pattern.as_ref().map(|pattern| {
        let check = quote_spanned!(pattern.span()=> __k::check_pattern(#pattern, #set, #names));
        quote!(const pattern_fits_the_enum: () = #check;)
    });
    let distinct = (!model.distinct).then(|| quote!(const events_are_distinct: () = #unique;));
    quote! {
        #distinct
        const members_are_kept_alike: () = #alike;
        #pattern
    }
}

fn conversion(ident: &Ident, member: &Member) -> TokenStream {
    let Member { variant, ty, inline } = member;
    let event = local("event");
    let value = match inline {
        None => quote!(Self::#variant(#event)),
        Some((input, _)) => moved(variant, &event, input),
    };
    quote! {
        #[automatically_derived]
        impl __k::From<#ty> for #ident {
            fn from(#event: #ty) -> Self {
                #value
            }
        }
    }
}

/// The variant, with the fields of its event type.
fn moved(variant: &Ident, event: &Ident, input: &event::parse::Input) -> TokenStream {
    let syn::Data::Struct(data) = &input.item.data else { return quote!(Self::#variant) };
    if matches!(data.fields, Fields::Unit) {
        return quote!(Self::#variant);
    }
    let members: Vec<_> = data.fields.members().collect();
    quote!(Self::#variant { #(#members: #event.#members),* })
}
