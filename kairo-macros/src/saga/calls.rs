//! A small function for each method of a saga, which is all that knows its types.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use super::{
    hooks::Migration,
    model::{Call, Model, Step, Undo},
    resolve::Taken,
};
use crate::{
    returns::Returns,
    tokens::{local, show, span},
};

/// The functions that run a method each, with the method.
pub(super) fn calls(model: &Model) -> impl Iterator<Item = (Ident, &Call)> {
    let steps = model.steps.iter().flat_map(|step| {
        let undo = match &step.undo {
            Undo::By { call, .. } => Some((wrapper("undo", &step.ident), &**call)),
            Undo::Pure | Undo::Nothing(_) => None,
        };
        [Some((wrapper("run", &step.ident), &step.call)), undo].into_iter().flatten()
    });
    let on_complete = model.on_complete.iter().map(|call| (format_ident!("on_complete"), call));
    let on_error = model.on_error.iter().map(|call| (format_ident!("on_error"), call));
    steps.chain(on_complete).chain(on_error)
}

pub(super) fn wrapper(prefix: &str, method: &Ident) -> Ident {
    format_ident!("{prefix}_{}", method.unraw())
}

/// One small function, which is all that knows the types.
pub(super) fn run(model: &Model, wrapper: &Ident, call: &Call) -> TokenStream {
    let (saga, given) = (local("saga"), local("given"));
    let ty = &model.ty;
    let Call { function, taken, returns } = call;
    let takes = taken.iter().enumerate().map(|(index, taken)| take(model, index, taken));
    let arguments = taken.iter().enumerate().map(|(index, taken)| argument(index, taken));
    let called = quote!(<#ty>::#function(#saga, #(#arguments),*).await);
    let stored = match returns {
        Returns::Value(output) => {
            quote_spanned!(span(output)=> <#output as __k::Storable>::stored(&#called))
        }
        Returns::Result { output, written } => {
            let value = local("value");
            let checked =
                quote_spanned!(span(written)=> <#written as __k::Fallible<#output>>::or_failure);
            let kept = quote_spanned!(span(output)=> <#output as __k::Storable>::stored(&#value));
            quote! {
                let #value = #checked(#called)?;
                #kept
            }
        }
    };
    // At the method's name, where rustc then reports a future that is not `Send`.
    let future = quote_spanned! {function.span()=>
        __k::run_step(async move {
            #(#takes)*
            #stored
        })
    };
    quote! {
        fn #wrapper<'a>(#saga: &'a #ty, #given: __k::Given<'a>) -> __k::StepFuture<'a> {
            #future
        }
    }
}

/// Decides whether a step runs.
pub(super) fn test(model: &Model, step: &Step) -> Option<TokenStream> {
    let Call { function, taken, .. } = step.when.as_ref()?;
    let (saga, given) = (local("saga"), local("given"));
    let ty = &model.ty;
    let wrapper = wrapper("when", &step.ident);
    let takes = taken.iter().enumerate().map(|(index, taken)| take(model, index, taken));
    let arguments = taken.iter().enumerate().map(|(index, taken)| argument(index, taken));
    Some(quote! {
        fn #wrapper(
            #saga: &#ty,
            #given: __k::Given<'_>,
        ) -> __k::Result<bool, __k::StepError> {
            #(#takes)*
            __k::Ok(<#ty>::#function(#saga, #(#arguments),*))
        }
    })
}

pub(super) fn migration(model: &Model, migration: &Migration) -> TokenStream {
    let Migration { function, written, .. } = migration;
    let state = local("state");
    let ty = &model.ty;
    let wrapper = wrapper("migrate", function);
    let checked = quote_spanned! {span(written)=>
        <#written as __k::Fallible<__k::serde_json::Value>>::or_failure
    };
    quote! {
        fn #wrapper(
            #state: __k::serde_json::Value,
        ) -> __k::Result<__k::serde_json::Value, __k::StepError> {
            #checked(<#ty>::#function(#state))
        }
    }
}

fn taken_ident(index: usize) -> Ident {
    local(&format!("argument_{index}"))
}

/// Fetches what an argument is given.
fn take(model: &Model, index: usize, taken: &Taken) -> TokenStream {
    let (argument, given) = (taken_ident(index), local("given"));
    match taken {
        Taken::Input => {
            let ty = &model.input;
            let value = quote_spanned!(span(ty)=> <#ty as __k::Storable>::input(#given)?);
            quote!(let #argument = #value;)
        }
        Taken::Output(step) => {
            let ty = &model.steps[*step].output;
            let value = quote_spanned!(span(ty)=> <#ty as __k::Storable>::output(#given, #step)?);
            quote!(let #argument = #value;)
        }
        Taken::Maybe(step) => {
            let ty = &model.steps[*step].output;
            let value = quote_spanned!(span(ty)=> <#ty as __k::Storable>::maybe(#given, #step)?);
            quote!(let #argument = #value;)
        }
        Taken::Error(ty) => {
            quote_spanned!(span(ty)=> let #argument = #given.error::<#ty>()?;)
        }
        Taken::Extractor { ty, mutable } => {
            let mutable = mutable.then(|| quote!(mut));
            quote_spanned! {span(ty)=>
                let #mutable #argument =
                    <#ty as __k::FromContext>::from_context(#given.context()).await?;
            }
        }
    }
}

/// Passes it on.
fn argument(index: usize, taken: &Taken) -> TokenStream {
    let argument = taken_ident(index);
    match taken {
        Taken::Input | Taken::Output(_) | Taken::Error(_) => quote!(&#argument),
        Taken::Maybe(_) => quote!(#argument.as_ref()),
        Taken::Extractor { mutable: false, .. } => quote!(#argument),
        Taken::Extractor { mutable: true, .. } => quote!(&mut #argument),
    }
}

/// What the extractors need of the application.
pub(super) fn needs(model: &Model) -> TokenStream {
    let mut seen = vec![];
    let mut needs = vec![];
    for taken in calls(model).flat_map(|(_, call)| &call.taken) {
        let Taken::Extractor { ty, .. } = taken else { continue };
        let shown = show(ty);
        if !seen.contains(&shown) {
            needs.push(quote_spanned!(span(ty)=> <#ty as __k::FromContext>::needs));
            seen.push(shown);
        }
    }
    quote!(|| __k::gather(&[#(#needs),*]))
}
