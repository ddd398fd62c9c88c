//! Where types meet that are spelled differently: a private trait for each place, whose message names both
//! sides.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Type, ext::IdentExt};

use super::{
    hooks::Hook,
    model::Model,
    stages::{Joint, Stage},
};
use crate::tokens::{at, last_segment, local, show, span};

/// The trait of a place.
fn name(method: &Ident) -> Ident {
    format_ident!("into_{}", method.unraw())
}

/// The traits of all places.
pub(super) fn traits(model: &Model) -> TokenStream {
    let stages = model.stages.iter().filter_map(of_stage);
    let on_success = model.on_success.iter().filter_map(|hook| {
        let output = model.output().filter(|output| differs(hook, &show(output)))?;
        Some(of_hook(hook, &format!("the pipeline gives a `{}`", show(output))))
    });
    let on_error = model.on_error.iter().filter(|hook| tells_no_error(hook));
    let on_error = on_error.map(|hook| of_hook(hook, "it is told a `PipelineError`"));
    stages.chain(on_success).chain(on_error).collect()
}

fn differs(hook: &Hook, given: &str) -> bool {
    hook.told.as_ref().is_some_and(|told| show(told) != given)
}

/// Whether a hook of errors takes something else.
fn tells_no_error(hook: &Hook) -> bool {
    let told = hook.told.as_ref();
    told.is_some_and(|told| last_segment(told).is_none_or(|last| last.ident != "PipelineError"))
}

fn of_stage(stage: &Stage) -> Option<TokenStream> {
    let Joint { by, .. } = stage.joint.as_ref()?;
    let function = &stage.call.function;
    let takes = escaped(&stage.takes);
    let message = format!(
        "stage `{function}` takes a `{takes}`, but `{by}` before it lets a `{{Self}}` flow on"
    );
    let label = format!("a `{{Self}}` comes from `{by}`");
    let note = format!(
        "stages chain in the order of their declaration: write `{{Self}}` here, let `{by}` give a \
         `{takes}`, or move one of them"
    );
    Some(definition(function, &message, &label, &note))
}

fn of_hook(hook: &Hook, given: &str) -> TokenStream {
    let function = &hook.call.function;
    let told = hook.told.as_ref().map(escaped).unwrap_or_default();
    let message = format!("`{function}` takes a `&{told}`, but {given}");
    let label = "this is a `{Self}`";
    definition(function, &message, label, "write `&{Self}`, or remove the argument")
}

/// A type's text in a message in which braces have a meaning.
fn escaped(ty: &Type) -> String {
    show(ty).replace('{', "{{").replace('}', "}}")
}

fn definition(function: &Ident, message: &str, label: &str, note: &str) -> TokenStream {
    let name = name(function);
    quote! {
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        trait #name<T>: Sized {
            fn pass(self) -> T;
            fn look(&self) -> &T;
        }
        impl<T> #name<T> for T {
            fn pass(self) -> T {
                self
            }
            fn look(&self) -> &T {
                self
            }
        }
    }
}

/// Lets what has come flow into a stage.
pub(super) fn into_stage(stage: &Stage) -> Option<TokenStream> {
    let Joint { given, .. } = stage.joint.as_ref()?;
    let (value, takes) = (local("value"), &stage.takes);
    let name = name(&stage.call.function);
    let given = at(span(takes), given);
    Some(quote_spanned! {span(takes)=>
        let #value: #takes = <#given as #name<#takes>>::pass(#value);
    })
}

/// What a hook is told, as it takes it.
pub(super) fn into_hook(
    hook: &Hook,
    told: &Ident,
    given: &TokenStream,
    spelled: &str,
) -> TokenStream {
    let Some(takes) = &hook.told else { return quote!() };
    if show(takes) == spelled || last_segment(takes).is_some_and(|last| last.ident == spelled) {
        return quote!(#told,);
    }
    let name = name(&hook.call.function);
    quote_spanned!(span(takes)=> <#given as #name<#takes>>::look(#told),)
}
