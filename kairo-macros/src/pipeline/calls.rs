//! How a run passes each stage, and how hooks are called.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{
    arguments::{Call, Extractor},
    hooks::Hook,
    joints,
    model::{Model, Tells},
    parse::Kind,
    stages::Stage,
};
use crate::{
    returns::Returns,
    tokens::{Borrowed, local, show, span},
};

/// All stages, one after the other; what flows is a variable that each of them gives anew.
pub(super) fn flow(model: &Model) -> TokenStream {
    let stages = model.stages.iter().enumerate().map(|(index, stage)| pass(model, index, stage));
    let value = local("value");
    quote! {
        #(#stages)*
        __k::Ok(#value)
    }
}

fn pass(model: &Model, index: usize, stage: &Stage) -> TokenStream {
    let joint = joints::into_stage(stage);
    let run = local("run");
    let passed = match stage.kind {
        Kind::Map => map(model, index, stage),
        Kind::Filter => filter(model, index, stage),
        Kind::Emit => emit(model, index, stage),
    };
    let emits = stage.emits.iter().map(|event| {
        let (flow, value, gives) = (local("flow"), local("value"), stage.gives());
        let body = quote_spanned! {span(event)=>
            <#event as __k::Emission>::emit(
                <#event as __k::EmittedFrom<#gives>>::emitted_from(#flow),
                #run,
            )
            .await
        };
        let attempt = attempt(index, stage, &body);
        quote! {
            {
                let #flow = &#value;
                #attempt.await?;
            }
        }
    });
    let told = (model.options.tells == Tells::Stages)
        .then(|| quote!(#run.passed(&STAGES[#index]).await?;));
    quote!(#joint #passed #(#emits)* #told)
}

fn map(model: &Model, index: usize, stage: &Stage) -> TokenStream {
    let (value, flow, old) = (local("value"), local("flow"), local("old"));
    let takes = &stage.takes;
    let given = match (stage.borrows, &stage.retry) {
        (true, _) => quote!(#flow),
        (false, None) => quote!(#value),
        (false, Some(_)) => {
            quote_spanned!(span(takes)=> <#takes as __k::Repeat>::again(#flow))
        }
    };
    let attempt = attempt(index, stage, &body(model, stage, &given));
    if !stage.borrows && stage.retry.is_none() {
        return quote!(let #value = #attempt.await?;);
    }
    quote! {
        let #value = {
            let #old = #value;
            let #flow = &#old;
            #attempt.await?
        };
    }
}

fn filter(model: &Model, index: usize, stage: &Stage) -> TokenStream {
    let (value, flow, run) = (local("value"), local("flow"), local("run"));
    let attempt = attempt(index, stage, &body(model, stage, &quote!(#flow)));
    quote! {
        {
            let #flow = &#value;
            if !#attempt.await? {
                return __k::Err(#run.rejected(&STAGES[#index]));
            }
        }
    }
}

fn emit(model: &Model, index: usize, stage: &Stage) -> TokenStream {
    let (value, flow) = (local("value"), local("flow"));
    let attempt = attempt(index, stage, &body(model, stage, &quote!(#flow)));
    quote! {
        {
            let #flow = &#value;
            #attempt.await?;
        }
    }
}

/// One attempt at a stage, or as many as it has.
fn attempt(index: usize, stage: &Stage, body: &TokenStream) -> TokenStream {
    let (run, number) = (local("run"), local("attempt"));
    // At the method's name, where rustc then reports a future that is not `Send`.
    let place = stage.call.function.span();
    if stage.retry.is_some() {
        return quote_spanned! {place=>
            #run.repeated(&STAGES[#index], |#number| async move { #body })
        };
    }
    quote_spanned!(place=> #run.once(&STAGES[#index], async move { #body }))
}

/// Takes the arguments, calls the method, and makes of what it returns what the stage gives.
fn body(model: &Model, stage: &Stage, given: &TokenStream) -> TokenStream {
    let (output, run, number) = (local("output"), local("run"), local("attempt"));
    let number = if stage.retry.is_some() { quote!(#number) } else { quote!(__k::FIRST_ATTEMPT) };
    let takes = takes(&stage.call, &number);
    let called = call(model, &stage.call, &quote!(#given,));
    let called = match &stage.returns {
        Returns::Value(_) => called,
        Returns::Result { output, written } => {
            let checked =
                quote_spanned!(span(written)=> <#written as __k::Yields<#output>>::or_failure);
            quote!(#checked(#called)?)
        }
    };
    let ty = stage.returns.output();
    let ended = match stage.kind {
        Kind::Map | Kind::Filter => quote!(__k::Ok::<#ty, __k::Miss>(#output)),
        Kind::Emit => {
            // All of it at the type, where rustc then reports one that is no event.
            quote_spanned!(span(ty)=> <#ty as __k::Emission>::emit(#output, #run).await)
        }
    };
    quote! {
        #takes
        let #output = #called;
        #ended
    }
}

/// What a hook does.
pub(super) fn hook(
    model: &Model,
    hook: &Hook,
    told: &Ident,
    given: &TokenStream,
    spelled: &str,
) -> TokenStream {
    let takes = takes(&hook.call, &quote!(__k::FIRST_ATTEMPT));
    let first = joints::into_hook(hook, told, given, spelled);
    let called = call(model, &hook.call, &first);
    let ended = match &hook.returns {
        Returns::Value(_) => quote!(#called; __k::Ok(())),
        Returns::Result { output, written } => {
            let checked =
                quote_spanned!(span(written)=> <#written as __k::Yields<#output>>::or_failure);
            quote!(#checked(#called))
        }
    };
    quote!(#takes #ended)
}

/// Takes the extractors of a call from the run.
fn takes(call: &Call, attempt: &TokenStream) -> TokenStream {
    if call.extractors.is_empty() {
        return quote!();
    }
    let (run, context) = (local("run"), local("context"));
    let name = call.function.unraw().to_string();
    let arguments = call.extractors.iter().enumerate().map(|(index, extractor)| {
        let (argument, ty) = (argument(index), &extractor.ty);
        let mutable = (extractor.borrowed == Borrowed::Mutably).then(|| quote!(mut));
        quote_spanned! {span(ty)=>
            let #mutable #argument = <#ty as __k::FromContext>::from_context(&#context).await?;
        }
    });
    quote! {
        let #context = #run.context(#name, #attempt);
        #(#arguments)*
    }
}

fn call(model: &Model, call: &Call, first: &TokenStream) -> TokenStream {
    let (this, ty, function) = (local("this"), &model.ty, &call.function);
    let arguments = call.extractors.iter().enumerate().map(|(index, extractor)| {
        let argument = argument(index);
        match extractor.borrowed {
            Borrowed::No => quote!(#argument),
            Borrowed::Shared => quote!(&#argument),
            Borrowed::Mutably => quote!(&mut #argument),
        }
    });
    let waits = call.is_async.then(|| quote!(.await));
    quote!(<#ty>::#function(#this, #first #(#arguments),*) #waits)
}

fn argument(index: usize) -> Ident {
    local(&format!("argument_{index}"))
}

/// What the extractors need of the application.
pub(super) fn needs(model: &Model) -> TokenStream {
    let stages = model.stages.iter().map(|stage| &stage.call);
    let hooks = model.on_success.iter().chain(&model.on_error).map(|hook| &hook.call);
    let mut seen = vec![];
    let mut needs = vec![];
    for Extractor { ty, .. } in stages.chain(hooks).flat_map(|call| &call.extractors) {
        let shown = show(ty);
        if !seen.contains(&shown) {
            needs.push(quote_spanned!(span(ty)=> <#ty as __k::FromContext>::needs));
            seen.push(shown);
        }
    }
    quote!(|| __k::gather(&[#(#needs),*]))
}
