//! What an aggregate becomes: its block, untouched, the enum of its events, and `impl Aggregate`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{ItemEnum, ItemImpl, Path, parse_quote};

use super::{method::Applied, model::Model};
use crate::{
    events,
    tokens::{at, local, show, span},
};

/// The block and all that makes its type an aggregate.
pub(crate) fn aggregate(item: &ItemImpl, model: &Model) -> TokenStream {
    let library = &model.library;
    let generated = format_ident!("{}Event", model.ident);
    let event = model.event.clone().unwrap_or_else(|| parse_quote!(#generated));
    let set = model.event.is_none().then(|| set(model, &generated));
    let checks = (!model.broken).then(|| checks(model));
    let implementation = implementation(model, &event);
    quote! {
        #item
        #set
        #[allow(
            dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic
        )]
        const _: () = {
            use #library::__private as __k;
            #checks
            #implementation
        };
    }
}

/// The typed event enum, with a variant for each method.
fn set(model: &Model, ident: &Ident) -> TokenStream {
    let name = &model.ident;
    let doc = format!("One of the events of which a `{name}` is made.");
    let variants = model.applied.iter().map(|applied| {
        let (variant, ty) = (applied.variant(), &applied.ty);
        let doc = format!("What `{name}::{}` applies.", applied.function);
        quote!(#[doc = #doc] #variant(#ty))
    });
    // As visible as it may have to be: the block does not say how visible its type is.
    let item: ItemEnum = parse_quote! {
        #[doc = #doc]
        #[allow(dead_code, private_interfaces, unreachable_pub, clippy::large_enum_variant)]
        pub enum #ident { #(#variants),* }
    };
    events::generated(&model.library, item)
}

/// Constants that do not evaluate where a rule about several items is broken, at what broke it.
fn checks(model: &Model) -> TokenStream {
    let name = model.ident.to_string();
    let names = names(&model.applied);
    let functions: Vec<_> = model.applied.iter().map(|it| it.function.to_string()).collect();
    let methods = model.applied.iter().enumerate().map(|(index, Applied { ty, .. })| {
        let (names, functions) = (&names[..=index], &functions[..=index]);
        let shown = show(ty);
        let once = quote_spanned! {span(ty)=>
            __k::check_applied_once(#name, &[#(#functions),*], &[#(#names),*])
        };
        let ephemeral = quote_spanned!(span(ty)=> <#ty as __k::Event>::EPHEMERAL);
        let in_log = quote_spanned!(span(ty)=> __k::check_in_log(#name, #shown, #ephemeral));
        quote! {
            const event_is_applied_once: () = #once;
            const event_is_in_the_log: () = #in_log;
        }
    });
    let members = model.event.as_ref().map(|event| members(model, &name, event, &names));
    quote! {
        #(const _: () = { #methods };)*
        #members
    }
}

/// The declared enum has what is applied, and nothing else.
fn members(model: &Model, name: &str, event: &Path, names: &[TokenStream]) -> TokenStream {
    let set = show(event);
    let known = quote_spanned!(span(event)=> <#event as __k::Members>::NAMES);
    let types = quote_spanned!(span(event)=> <#event as __k::Members>::TYPES);
    let all = quote_spanned! {span(event)=>
        __k::check_members(#name, #set, #known, #types, &[#(#names),*])
    };
    let each = model.applied.iter().zip(names).map(|(Applied { ty, .. }, name)| {
        let shown = show(ty);
        let open = quote_spanned!(span(event)=> <#event as __k::Members>::OPEN);
        let check = quote_spanned! {span(ty)=>
            __k::check_member(#shown, #name, #set, #known, #open)
        };
        quote!(const _: () = { const event_is_a_member: () = #check; };)
    });
    quote! {
        const every_member_is_applied: () = #all;
        #(#each)*
    }
}

fn names(applied: &[Applied]) -> Vec<TokenStream> {
    let name = |ty| quote_spanned!(span(ty)=> <#ty as __k::Event>::NAME);
    applied.iter().map(|applied| name(&applied.ty)).collect()
}

fn implementation(model: &Model, event: &Path) -> TokenStream {
    let Model { ty, name, .. } = model;
    let names = names(&model.applied);
    let strict = model.strict.then(|| {
        quote!(
            const STRICT: bool = true;
        )
    });
    let snapshots = snapshots(model);
    let begin = begin(model);
    let folding = folding(model);
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __k::Aggregate for #ty {
            const NAME: &'static str = #name;
            type Event = #event;
            const APPLIED: &'static [&'static str] = &[#(#names),*];
            #strict
            #snapshots
            fn begin() -> __k::Option<Self> {
                #begin
            }
            fn folding() -> __k::Folding<Self> {
                #folding
            }
        }
    }
}

/// The state before any event; where a method makes it, there is none.
fn begin(model: &Model) -> TokenStream {
    if model.broken || model.applied.iter().any(|applied| applied.init) {
        return quote!(__k::None);
    }
    // At the type's name, where rustc then reports that it has no `Default`.
    let this = at(model.ident.span(), &model.ty);
    quote!(__k::Some(<#this as __k::Blank>::blank()))
}

fn snapshots(model: &Model) -> Option<TokenStream> {
    let snapshots = model.snapshots.as_ref().filter(|_| !model.broken)?;
    let (every, version) = (snapshots.every, snapshots.version);
    let this = at(snapshots.place, &model.ty);
    Some(quote! {
        fn snapshots() -> __k::Option<__k::Snapshots<Self>> {
            const SHAPE: u64 =
                __k::fingerprint(#version, <#this as __k::Aggregate>::APPLIED);
            __k::Some(<#this as __k::Snapshotted>::every(#every, SHAPE))
        }
    })
}

/// How an event is applied. All that is known about it is read only where a method asks for it.
fn folding(model: &Model) -> TokenStream {
    let (state, event, fact) = (local("state"), local("event"), local("fact"));
    let applies = model.applied.iter().map(|applied| apply(applied, &state, &event, &fact));
    let body = quote! {
        #(#applies)*
        __k::Ok(__k::Folded::Skipped)
    };
    if model.applied.iter().any(|applied| applied.enveloped) {
        return quote! {
            __k::Folding::Envelopes(|#state, #event| {
                let #fact = &__k::Fact::of(#event);
                #body
            })
        };
    }
    quote!(__k::Folding::Facts(|#state, #fact| { #body }))
}

/// Decodes straight into the type that the method takes.
fn apply(applied: &Applied, state: &Ident, event: &Ident, fact: &Ident) -> TokenStream {
    let Applied { function, ty, .. } = applied;
    let (payload, this) = (local("payload"), local("this"));
    let name = quote_spanned!(span(ty)=> <#ty as __k::Event>::NAME);
    let decode = quote_spanned!(span(ty)=> <#ty as __k::Event>::decode_schema);
    let enveloped =
        applied.enveloped.then(|| quote!(let #payload = __k::enveloped(#event, #payload);));
    let argument = if applied.borrowed { quote!(&#payload) } else { quote!(#payload) };
    let call = if applied.init {
        quote! {
            *#state = __k::Some(Self::#function(#argument));
            __k::Folded::Applied
        }
    } else {
        quote!(__k::applied(#state, |#this| Self::#function(#this, #argument)))
    };
    quote! {
        if #fact.name == #name {
            let #payload = #decode(#fact.schema, #fact.payload)?;
            #enveloped
            return __k::Ok({ #call });
        }
    }
}
