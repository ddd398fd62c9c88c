//! What a saga becomes: its block, untouched, the types of its state, and `impl Saga`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{ItemImpl, ext::IdentExt};

use super::{
    calls::{calls, migration, needs, run, test, wrapper},
    model::{Call, Model, Step, Takes, Undo},
    options::OnUnknown,
    shape, types,
};
use crate::{
    names,
    retry::Retry,
    tokens::{self, at, local, show, span},
};

/// The block and all that makes its type a saga.
pub(crate) fn saga(item: &ItemImpl, model: &Model) -> TokenStream {
    let library = &model.library;
    let definitions = types::definitions(model);
    let implementations = types::implementations(model);
    let sound = (!model.broken).then(|| sound(model));
    let implementation = implementation(model);
    let claim = claim(model);
    quote! {
        #item
        #definitions
        #[allow(
            dead_code, non_snake_case, non_upper_case_globals, unused_qualifications, clippy::all,
            clippy::pedantic
        )]
        const _: () = {
            use #library::__private as __k;
            #implementations
            #sound
            #implementation
        };
        #claim
    }
}

/// What only a saga without mistakes has: its entry, and a function for each of its methods.
fn sound(model: &Model) -> TokenStream {
    let Model { ident, name, .. } = model;
    let type_name = ident.to_string();
    let needs = needs(model);
    let words = shape::words(model);
    let stored = stored(model);
    // At the type's name, which is where the entry then says that it stands.
    let entry = quote_spanned! {ident.span()=>
        __k::SagaEntry::new(::core::module_path!(), #name, #type_name, #needs)
    };
    let functions = calls(model).map(|(wrapper, call)| run(model, &wrapper, call));
    let tests = model.steps.iter().filter_map(|step| test(model, step));
    let migrations = model.migrations.iter().map(|it| migration(model, it));
    let on = on(model);
    quote! {
        #stored
        const ENTRY: __k::SagaEntry = #entry;
        const WORDS: &[&str] = &[#(#words),*];
        #(#functions)*
        #(#tests)*
        #(#migrations)*
        __k::inventory::submit! { ENTRY }
        #on
    }
}

/// What cannot be stored is reported here, at the types, in one sentence each.
fn stored(model: &Model) -> TokenStream {
    let types = [&model.input].into_iter().chain(model.steps.iter().map(|step| &step.output));
    let checks = types.map(|ty| quote_spanned!(span(ty)=> <#ty as __k::Storable>::stored));
    quote!(const _: () = { #(let _ = #checks;)* };)
}

fn implementation(model: &Model) -> TokenStream {
    let Model { ty, name, input, output, .. } = model;
    let (step, state) = (types::step_ident(model), types::state_ident(model));
    let output = &model.steps[*output].output;
    let shape = if model.broken { quote!(0) } else { quote!(__k::shape_of(WORDS)) };
    // Where there are mistakes nothing runs, and this only keeps other code compiling.
    let [blueprint, known] = if model.broken {
        [quote!(loop {}), quote!(loop {})]
    } else {
        [blueprint(model), known(model)]
    };
    let view = local("view");
    // At the types, where rustc then reports those that are less visible than the saga.
    let types = [
        quote_spanned!(span(input)=> type Input = #input;),
        quote_spanned!(span(output)=> type Output = #output;),
    ];
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __k::Saga for #ty {
            const NAME: &'static str = #name;
            const SHAPE: u64 = #shape;
            #(#types)*
            type Step = #step;
            type State = #state;
            fn blueprint() -> __k::Blueprint<Self> {
                #blueprint
            }
            fn state(#view: &__k::View<'_>) -> __k::Result<#state, __k::Error> {
                #known
            }
        }
    }
}

fn blueprint(model: &Model) -> TokenStream {
    let Model { name, options, output, .. } = model;
    let rollback = options.rollback;
    let timeout = option(options.timeout.map(tokens::duration));
    let steps = model.steps.iter().map(step);
    let hook = |call: &Option<Call>, wrapper| {
        let wrapper = format_ident!("{wrapper}");
        option(call.as_ref().map(|_| quote!(#wrapper)))
    };
    let on_complete = hook(&model.on_complete, "on_complete");
    let on_error = hook(&model.on_error, "on_error");
    let migrations = model.migrations.iter().map(|migration| {
        let (from, run) = (migration.from, wrapper("migrate", &migration.function));
        quote!(__k::Migration { from: #from, run: #run })
    });
    quote! {
        __k::Blueprint {
            name: #name,
            location: ENTRY.location,
            shape: WORDS,
            rollback: #rollback,
            timeout: #timeout,
            output: #output,
            steps: __k::Vec::from([#(#steps),*]),
            on_complete: #on_complete,
            on_error: #on_error,
            migrations: __k::Vec::from([#(#migrations),*]),
        }
    }
}

fn step(step: &Step) -> TokenStream {
    let Step { ident, after, .. } = step;
    let name = ident.unraw().to_string();
    let run = wrapper("run", ident);
    let when = wrapper("when", ident);
    let when = option(step.when.as_ref().map(|_| quote!(#when)));
    let undo = undo(step);
    let on_unknown = option(step.on_unknown.map(|on_unknown| match on_unknown {
        OnUnknown::Compensate => quote!(__k::OnUnknown::Compensate),
        OnUnknown::Park => quote!(__k::OnUnknown::Park),
    }));
    let retry = option(step.retry.as_ref().map(Retry::expand));
    let timeout = option(step.timeout.map(tokens::duration));
    quote! {
        __k::Step {
            name: #name,
            after: &[#(#after),*],
            when: #when,
            run: #run,
            undo: #undo,
            on_unknown: #on_unknown,
            retry: #retry,
            timeout: #timeout,
        }
    }
}

fn undo(step: &Step) -> TokenStream {
    match &step.undo {
        Undo::Pure => quote!(__k::Undo::Pure),
        Undo::Nothing(why) => quote!(__k::Undo::Nothing(#why)),
        Undo::By { takes, timeout, .. } => {
            let run = wrapper("undo", &step.ident);
            let timeout = option(timeout.map(tokens::duration));
            let takes = match takes {
                Takes::Output => quote!(__k::Takes::Output),
                Takes::Maybe => quote!(__k::Takes::Maybe),
                Takes::Nothing => quote!(__k::Takes::Nothing),
            };
            quote!(__k::Undo::By { takes: #takes, run: #run, timeout: #timeout })
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(|| quote!(__k::None), |value| quote!(__k::Some(#value)))
}

/// The typed state of what is stored.
fn known(model: &Model) -> TokenStream {
    let (state, view) = (types::state_ident(model), local("view"));
    let input = &model.input;
    let of_input = quote_spanned!(span(input)=> <#input as __k::Storable>::of_input(#view)?);
    let slots = model.steps.iter().map(|Step { ident, output, .. }| {
        let name = ident.unraw().to_string();
        let slot = quote_spanned!(span(output)=> <#output as __k::Storable>::slot(#view, #name)?);
        quote!(#ident: #slot)
    });
    quote! {
        __k::Ok(#state { phase: #view.phase(), input: #of_input, #(#slots),* })
    }
}

/// A subscription that starts the saga, and the rule that its event is the saga's input.
fn on(model: &Model) -> Option<TokenStream> {
    let on = model.options.on.as_ref()?;
    let Model { ty, ident, name, input, .. } = model;
    let (type_name, argument) = (ident.to_string(), show(input));
    let intake = quote_spanned!(span(input)=> <#input as __k::Receive>::INTAKE);
    let check = quote_spanned! {on.span()=>
        __k::check_start(
            #name,
            #on,
            #argument,
            <#input as __k::Event>::NAME,
            <#input as __k::Event>::EPHEMERAL,
        )
    };
    let path = format!("::{type_name}");
    let subscription = format!("saga:{}", name.value());
    let entry = quote_spanned! {ident.span()=>
        __k::HandlerEntry::new(
            ::core::module_path!(),
            ::core::concat!(::core::module_path!(), #path),
            #type_name,
            #intake,
            __k::start_saga::<#ty>,
        )
    };
    Some(quote! {
        const input_is_the_event: () = #check;
        __k::inventory::submit! { __k::HandlerEntry { name: #subscription, ..#entry } }
    })
}

/// A macro whose name is the saga's: a second saga of that name in the crate is a second
/// definition, which rustc reports at both.
fn claim(model: &Model) -> Option<TokenStream> {
    (!model.broken && !model.options.local).then(|| {
        let claim = format_ident!("saga__{}", names::mangled(&model.name.value()));
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
