//! What a pipeline becomes: its block, untouched, `impl Pipeline`, and its entry in the registry.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{ItemImpl, Type, ext::IdentExt};

use super::{
    calls, joints,
    model::{Model, Tells},
    stages::Stage,
};
use crate::{
    names,
    retry::Retry,
    tokens::{self, at, local, show, span},
};

/// How much longer than the pipeline the handler may take that runs it: for its hooks, which then can
/// still be told why.
const HANDLER_EXTRA: Duration = Duration::from_secs(30);

/// The block and all that makes its type a pipeline.
pub(crate) fn pipeline(item: &ItemImpl, model: &Model) -> TokenStream {
    let (Some(input), Some(output)) = (model.input(), model.output()) else {
        return quote!(#item);
    };
    let library = &model.library;
    let sound = (!model.broken).then(|| sound(model, input));
    let implementation = implementation(model, input, output);
    let claim = claim(model);
    quote! {
        #item
        #[allow(
            dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals,
            unused_qualifications, unused_variables, clippy::all, clippy::pedantic
        )]
        const _: () = {
            use #library::__private as __k;
            #sound
            #implementation
        };
        #claim
    }
}

/// What only a pipeline without mistakes has.
fn sound(model: &Model, input: &Type) -> TokenStream {
    let Model { ty, ident, name, .. } = model;
    let type_name = ident.to_string();
    let (needs, joints) = (calls::needs(model), joints::traits(model));
    let count = model.stages.len();
    let stages = model.stages.iter().enumerate().map(|(index, stage)| stage_static(index, stage));
    // At the type's name, which is where the entry then says that it stands.
    let entry = quote_spanned! {ident.span()=>
        __k::PipelineEntry::new(
            ::core::module_path!(), #name, #type_name, __k::Need::of::<#ty>, #needs,
        )
    };
    let (on, rules) = (on(model, input), rules(model, input));
    quote! {
        static STAGES: [__k::Stage; #count] = [#(#stages),*];
        #joints
        __k::inventory::submit! { #entry }
        #on
        #rules
    }
}

fn stage_static(index: usize, stage: &Stage) -> TokenStream {
    let name = stage.call.function.unraw().to_string();
    let retry = option(stage.retry.as_ref().map(Retry::expand));
    let timeout = option(stage.timeout.map(tokens::duration));
    quote! {
        __k::Stage {
            name: __k::Cow::Borrowed(#name),
            index: #index,
            retry: #retry,
            timeout: #timeout,
        }
    }
}

fn implementation(model: &Model, input: &Type, output: &Type) -> TokenStream {
    let Model { ty, name, .. } = model;
    let (this, run, value) = (local("this"), local("run"), local("value"));
    let settings = settings(model);
    // Where there are mistakes nothing runs, and this only keeps other code compiling.
    let [stages, check, flow] = if model.broken {
        [quote!(loop {}), quote!(loop {}), quote!(loop {})]
    } else {
        let check = quote! {
            use __k::{CheckedByRules as _, Unruled as _};
            (&__k::Ruled(#value)).check()
        };
        let flow = calls::flow(model);
        [quote!(__k::stage_names(&STAGES)), check, quote!(let #this = self; #flow)]
    };
    let hooks = (!model.broken).then(|| hooks(model, output));
    // At the types, where rustc then reports those that are less visible than the pipeline.
    let types = [
        quote_spanned!(span(input)=> type Input = #input;),
        quote_spanned!(span(output)=> type Output = #output;),
    ];
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __k::Pipeline for #ty {
            #(#types)*
            fn name(&self) -> &str {
                #name
            }
            fn stages(&self) -> __k::Vec<&str> {
                #stages
            }
            fn settings(&self) -> __k::Settings {
                #settings
            }
            fn check(&self, #value: &#input) -> __k::Result<(), __k::Violations> {
                #check
            }
            async fn run(
                &self,
                #run: &__k::Run<'_>,
                #value: #input,
            ) -> __k::Result<#output, __k::PipelineError> {
                #flow
            }
            #hooks
        }
    }
}

fn settings(model: &Model) -> TokenStream {
    let tells = match model.options.tells {
        Tells::Nothing => quote!(__k::Tells::Nothing),
        Tells::Run => quote!(__k::Tells::Run),
        Tells::Stages => quote!(__k::Tells::Stages),
    };
    let timeout = option(model.options.timeout.map(tokens::duration));
    quote!(__k::Settings { tells: #tells, timeout: #timeout })
}

fn hooks(model: &Model, output: &Type) -> TokenStream {
    let (this, run, told) = (local("this"), local("run"), local("told"));
    let on_success = model.on_success.as_ref().map(|hook| {
        let place = hook.told.as_ref().map_or_else(Span::call_site, span);
        let body = calls::hook(model, hook, &told, &at(place, output), &show(output));
        quote! {
            async fn on_success(
                &self,
                #run: &__k::Run<'_>,
                #told: &#output,
            ) -> __k::Result<(), __k::Failure> {
                let #this = self;
                #body
            }
        }
    });
    let on_error = model.on_error.as_ref().map(|hook| {
        let place = hook.told.as_ref().map_or_else(Span::call_site, span);
        let error = quote_spanned!(place=> __k::PipelineError);
        let body = calls::hook(model, hook, &told, &error, "PipelineError");
        quote! {
            async fn on_error(
                &self,
                #run: &__k::Run<'_>,
                #told: &__k::PipelineError,
            ) -> __k::Result<(), __k::Failure> {
                let #this = self;
                #body
            }
        }
    });
    quote!(#on_success #on_error)
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(|| quote!(__k::None), |value| quote!(__k::Some(#value)))
}

/// A subscription that runs the pipeline, and the rule that its event is the pipeline's input.
fn on(model: &Model, input: &Type) -> Option<TokenStream> {
    let on = model.options.on.as_ref()?;
    let Model { ty, ident, name, .. } = model;
    let (type_name, argument) = (ident.to_string(), show(input));
    let intake = quote_spanned!(span(input)=> <#input as __k::Receive>::INTAKE);
    let check = quote_spanned! {on.span()=>
        __k::check_on(
            #name,
            #on,
            #argument,
            <#input as __k::Event>::NAME,
            <#input as __k::Event>::EPHEMERAL,
        )
    };
    let path = format!("::{type_name}");
    let subscription = format!("pipeline:{}", name.value());
    let entry = quote_spanned! {ident.span()=>
        __k::HandlerEntry::new(
            ::core::module_path!(),
            ::core::concat!(::core::module_path!(), #path),
            #type_name,
            #intake,
            __k::run_pipeline::<#ty>,
        )
    };
    let options = model.options.timeout.map(|limit| {
        let limit = tokens::duration(limit.saturating_add(HANDLER_EXTRA));
        quote!(options: __k::Options { timeout: __k::Some(#limit), ..__k::Options::DEFAULT },)
    });
    Some(quote! {
        const input_is_the_event: () = #check;
        __k::inventory::submit! {
            __k::HandlerEntry {
                name: #subscription,
                pipeline: true,
                service: __k::Some(__k::Need::of::<#ty>),
                #options
                ..#entry
            }
        }
    })
}

/// Where the crate has garde: that rules which the input's type has are known to the library.
fn rules(model: &Model, input: &Type) -> Option<TokenStream> {
    let garde = model.garde.as_ref()?;
    let (name, shown) = (&model.name, show(input));
    let check = quote_spanned! {span(input)=>
        __k::check_rules(#name, #shown, <ByGarde<#input>>::RULED, <ByKairo<#input>>::RULED)
    };
    Some(quote! {
        const rules_are_known: () = {
            struct ByGarde<T>(::core::marker::PhantomData<T>);
            struct ByKairo<T>(::core::marker::PhantomData<T>);
            // What has no rules falls back to this.
            trait Unruled {
                const RULED: bool = false;
            }
            impl<T> Unruled for ByGarde<T> {}
            impl<T> Unruled for ByKairo<T> {}
            impl<T: #garde::Validate> ByGarde<T> {
                const RULED: bool = true;
            }
            impl<T: __k::Validate> ByKairo<T> {
                const RULED: bool = true;
            }
            #check
        };
    })
}

/// A macro whose name is the pipeline's: a second pipeline of that name in the crate is a second
/// definition, which rustc reports at both.
fn claim(model: &Model) -> Option<TokenStream> {
    (!model.broken && !model.options.local).then(|| {
        let claim = format_ident!("pipeline__{}", names::mangled(&model.name.value()));
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
