//! What an entity becomes: its struct, a patch, its typed fields, its events and `impl Entity`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, ItemEnum, parse_quote};

use super::{field::Field, model::Model, parse::Input};
use crate::{
    events, names, payload,
    tokens::{at, last_segment, local, span},
};

/// The struct and all that makes it an entity.
pub(crate) fn repository(input: &Input, model: Option<&Model>) -> TokenStream {
    let Some(model) = model else {
        let item = &input.item;
        let library = crate::paths::library(None);
        let derives = payload::derives(&library, &item.attrs);
        return quote!(#derives #item);
    };
    let library = &model.library;
    let assertions = assertions(model);
    let item = item(input, model);
    let patch = patch(model);
    let fields = fields(model);
    let set = model.prefix.as_ref().map(|_| set(model));
    let entity = entity(model);
    let marks = marks(model);
    let entries = (!model.broken).then(|| entries(model));
    let claim = claim(model);
    quote! {
        #assertions
        #item
        #patch
        #fields
        #set
        #[allow(
            dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic
        )]
        const _: () = {
            use #library::__private as __k;
            #entity
            #marks
            #entries
        };
        #claim
    }
}

/// The struct as it was written, with its derives.
fn item(input: &Input, model: &Model) -> TokenStream {
    let mut item = input.item.clone();
    let derives = payload::derives(&model.library, &item.attrs);
    if let (Some(version), Data::Struct(data)) = (model.all.version, &mut item.data)
        && let Some(field) = data.fields.iter_mut().nth(version)
        && !field.attrs.iter().any(|attribute| attribute.path().is_ident("serde"))
    {
        // It may be missing in what was written before the field was added; the store knows it.
        field.attrs.push(parse_quote!(#[serde(default)]));
    }
    if model.rules.is_none() && !payload::is_derived(&item.attrs, "Validate") {
        strip_rules(&mut item);
    }
    let garde = model.rules.filter(|rules| rules.derive).map(|rules| {
        let allow = rules.allow.then(|| quote!(#[garde(allow_unvalidated)]));
        quote!(#[derive(::garde::Validate)] #allow)
    });
    quote!(#derives #garde #item)
}

/// Takes away rules that nobody reads because of a mistake, which rustc would complain of as well.
fn strip_rules(item: &mut DeriveInput) {
    let keep = |attribute: &Attribute| !attribute.path().is_ident("garde");
    item.attrs.retain(keep);
    if let Data::Struct(data) = &mut item.data {
        data.fields.iter_mut().for_each(|field| field.attrs.retain(keep));
    }
}

/// The fields that a patch can set: all but the id and the version.
fn settable(model: &Model) -> impl Iterator<Item = &Field> {
    let all = &model.all;
    let is_fixed = move |index| index == all.id || Some(index) == all.version;
    let fields = all.fields.iter().enumerate();
    fields.filter(move |(index, _)| !is_fixed(*index)).map(|(_, field)| field)
}

fn patch_name(model: &Model) -> Ident {
    format_ident!("{}Patch", model.ident)
}

fn patch(model: &Model) -> TokenStream {
    let Model { library, ident, vis, .. } = model;
    let name = patch_name(model);
    let doc =
        format!("Which fields of a `{ident}` an update sets, each by the method of its name.");
    let k = quote!(#library::__private);
    let members = settable(model).map(|Field { ident, ty, .. }| quote!(#ident: #k::Option<#ty>));
    let setters =
        settable(model).filter(|field| field.ident != "new").map(|field| setter(model, field));
    let entity = local("entity");
    let applied = settable(model).map(|Field { ident, .. }| {
        quote! {
            if let __k::Some(__value) = self.#ident {
                #entity.#ident = __value;
            }
        }
    });
    let lints = quote! {
        #[allow(
            dead_code, private_interfaces, unreachable_pub, unused_qualifications,
            clippy::all, clippy::pedantic
        )]
    };
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
        #[must_use = "a patch does nothing until it is handed to `update`"]
        #lints
        #vis struct #name { #(#members),* }

        #lints
        impl #name {
            /// A patch that sets no field.
            #vis fn new() -> Self {
                <Self as ::core::default::Default>::default()
            }
            #(#setters)*
        }

        #[allow(dead_code, unused_qualifications, clippy::all, clippy::pedantic)]
        const _: () = {
            use #library::__private as __k;
            #[automatically_derived]
            impl __k::Patch<#ident> for #name {
                #[allow(unused_variables)]
                fn apply(self, #entity: &mut #ident) { #(#applied)* }
            }
        };
    }
}

/// Sets a field; a text can be anything that becomes a `String`.
fn setter(model: &Model, field: &Field) -> TokenStream {
    let Model { library, vis, .. } = model;
    let Field { ident, ty, .. } = field;
    let doc = format!("Sets `{ident}`.");
    let is_text = last_segment(ty).is_some_and(|last| last.ident == "String");
    let (argument, value) = if is_text {
        (quote!(impl ::core::convert::Into<#ty>), quote!(::core::convert::Into::into(__value)))
    } else {
        (quote!(#ty), quote!(__value))
    };
    quote! {
        #[doc = #doc]
        #vis fn #ident(mut self, __value: #argument) -> Self {
            self.#ident = #library::__private::Some(#value);
            self
        }
    }
}

/// The fields that queries can name.
fn fields(model: &Model) -> TokenStream {
    let Model { library, ident, vis, .. } = model;
    let name = format_ident!("{ident}Fields");
    let doc = format!("The fields of a `{ident}`, for queries: [`{ident}::fields`].");
    let stored: Vec<_> = (model.all.fields.iter())
        .filter_map(|field| Some((&field.ident, &field.ty, field.stored.as_ref()?)))
        .collect();
    let members = stored.iter().map(|(field, ty, _)| {
        let doc = format!("`{field}`");
        quote!(#[doc = #doc] #vis #field: #library::__private::Field<#ident, #ty>)
    });
    let values = stored
        .iter()
        .map(|(field, _, stored)| quote!(#field: #library::__private::Field::new(#stored)));
    let lints = quote! {
        #[allow(
            dead_code, private_interfaces, unreachable_pub, unused_qualifications,
            clippy::all, clippy::pedantic
        )]
    };
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #lints
        #vis struct #name { #(#members),* }

        #lints
        impl #ident {
            /// The fields, for queries: `fields().name.eq("Ada")`.
            #[must_use]
            #vis const fn fields() -> #name {
                #name { #(#values),* }
            }
        }
    }
}

/// The events as one type.
fn set(model: &Model) -> TokenStream {
    let Model { library, ident, vis, .. } = model;
    let name = format_ident!("{ident}Change");
    let doc = format!("What happens to a `{ident}`.");
    let item: ItemEnum = parse_quote! {
        #[doc = #doc]
        #[allow(dead_code, private_interfaces, unreachable_pub, clippy::large_enum_variant)]
        #vis enum #name {
            /// One was created.
            Created(#library::__private::Created<#ident>),
            /// One was changed.
            Updated(#library::__private::Updated<#ident>),
            /// One was deleted.
            Deleted(#library::__private::Deleted<#ident>),
        }
    };
    events::generated(library, item)
}

fn entity(model: &Model) -> TokenStream {
    let Model { ident, name, table, version, .. } = model;
    let (patch, shown) = (patch_name(model), ident.to_string());
    let (id, id_type) = model.all.fields.get(model.all.id).map(|it| (&it.ident, &it.ty)).unzip();
    let indexes = model.all.fields.iter().filter_map(|field| {
        let (unique, stored) = (field.unique?, field.stored.as_ref()?);
        Some(quote!(__k::Index { field: #stored, unique: #unique }))
    });
    let schema = (*version != 1).then(|| quote!(const SCHEMA: u32 = #version;));
    let events = if model.prefix.is_some() {
        quote!(__k::Some(<Self as __k::Emits>::NAMES))
    } else {
        quote!(__k::None)
    };
    let check = check(model);
    let counted = counted(model);
    let decode = decode(model);
    let hooks = model.hooks.map(|place| {
        let this = at(place, quote!(Self));
        quote! {
            fn hooks() -> __k::Option<__k::HookCalls<Self>> {
                __k::Some(<#this as __k::Hooks>::calls())
            }
        }
    });
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __k::Entity for #ident {
            type Id = #id_type;
            type Patch = #patch;
            const NAME: &'static str = #shown;
            const COLLECTION: &'static __k::Collection =
                &__k::Collection { name: #name, table: #table, indexes: &[#(#indexes),*] };
            #schema
            const EVENTS: __k::Option<&'static __k::EventNames> = #events;
            fn id(&self) -> &<Self as __k::Entity>::Id {
                &self.#id
            }
            #check
            #counted
            #decode
            #hooks
        }
    }
}

fn check(model: &Model) -> Option<TokenStream> {
    let rules = model.rules?;
    let this = at(rules.place, quote!(Self));
    Some(quote! {
        fn check(&self) -> __k::Result<(), __k::Violations> {
            <#this as __k::Validate>::validate(self)
        }
    })
}

/// The version that an entity knows of itself.
fn counted(model: &Model) -> Option<TokenStream> {
    let version = &model.all.fields.get(model.all.version?)?.ident;
    (!model.broken).then(|| {
        quote! {
            fn version(&self) -> __k::Option<u64> {
                __k::Some(self.#version)
            }
            fn set_version(&mut self, __version: u64) {
                self.#version = __version;
            }
        }
    })
}

/// Each older shape is read as its own type, and becomes the next one, up to this.
fn decode(model: &Model) -> Option<TokenStream> {
    if model.from.is_empty() {
        return None;
    }
    let Model { ident, name, version, from, .. } = model;
    let arms = from.iter().enumerate().map(|(steps, old)| {
        let schema = *version as usize - 1 - steps;
        let schema = u32::try_from(schema).unwrap_or(u32::MAX);
        let old_value =
            quote_spanned!(span(old)=> __k::decode_shape::<#old>(#name, #schema, #schema, __json)?);
        let mut value = old_value;
        for (index, older) in from[..=steps].iter().enumerate().rev() {
            let newer = index.checked_sub(1).and_then(|newer| from.get(newer));
            let newer = newer.map_or_else(|| quote!(#ident), |newer| quote!(#newer));
            let newer = at(span(older), newer);
            value = quote!(<#newer as __k::Upgrade<#older>>::upgrade(#value));
        }
        quote!(#schema => __k::Ok(#value),)
    });
    Some(quote! {
        fn decode(__schema: u32, __json: &[u8]) -> __k::Result<Self, __k::DecodeError> {
            match __schema {
                #(#arms)*
                _ => __k::decode_shape(#name, #version, __schema, __json),
            }
        }
    })
}

/// What else the entity is.
fn marks(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let emits = model.prefix.as_ref().map(|prefix| {
        let stream = prefix.split('.').next().unwrap_or_default();
        let [created, updated, deleted] =
            ["created", "updated", "deleted"].map(|what| format!("{prefix}.{what}"));
        quote! {
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl __k::Emits for #ident {
                const NAMES: &'static __k::EventNames = &__k::EventNames {
                    stream: #stream,
                    created: #created,
                    updated: #updated,
                    deleted: #deleted,
                };
            }
        }
    });
    let versioned = model.all.version.map(|_| {
        quote! {
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl __k::Versioned for #ident {}
        }
    });
    quote!(#emits #versioned)
}

fn entries(model: &Model) -> TokenStream {
    let ident = &model.ident;
    // At the type's name, which is where the entries then say that it stands.
    let entity = quote_spanned!(ident.span()=> __k::entity_entry::<#ident>(::core::module_path!()));
    let kinds = ["Created", "Updated", "Deleted"].into_iter().filter(|_| model.prefix.is_some());
    let events = kinds.map(|kind| {
        let (shown, kind) = (format!("{kind}<{ident}>"), format_ident!("{kind}"));
        let entry = quote_spanned! {ident.span()=>
            __k::event_entry::<__k::#kind<#ident>>(::core::module_path!(), #shown)
        };
        quote!(__k::inventory::submit! { #entry })
    });
    quote! {
        __k::inventory::submit! { #entity }
        #(#events)*
    }
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

/// A macro whose name is the repository's: a second one of that name in the crate is a second
/// definition, which rustc reports at both.
fn claim(model: &Model) -> Option<TokenStream> {
    model.unique.then(|| {
        let claim = format_ident!("repository__{}", names::mangled(&model.name.value()));
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
