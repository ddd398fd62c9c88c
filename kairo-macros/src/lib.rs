//! The attribute macros of `kairo`; use them through that crate.

mod args;
mod classify;
mod event;
mod events;
mod fallback;
mod handler;
mod mistakes;
mod names;
mod paths;
mod payload;
mod tokens;

use proc_macro::TokenStream;

/// Makes a struct an event, which is known everywhere by its stable name.
#[proc_macro_attribute]
pub fn event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, event::attribute)
}

/// `#[event]` as a derive, for a type that has its derives already.
#[proc_macro_derive(Event, attributes(kairo, key))]
pub fn derive_event(item: TokenStream) -> TokenStream {
    fallback::run_derive(item, event::derive)
}

/// Makes a struct or an enum storable, so that it can be a field of an event.
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, payload::expand)
}

/// Makes an enum a typed event enum.
#[proc_macro_attribute]
pub fn events(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, events::attribute)
}

/// Makes an `async fn` react to events.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::function)
}

/// Makes an `async fn` react to events that died.
#[proc_macro_attribute]
pub fn on_dead_letter(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::on_dead_letter)
}

/// Makes the marked methods of a service react to events.
#[proc_macro_attribute]
pub fn handlers(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::service)
}

/// Says of an error type which of its values trying again can help.
#[proc_macro_derive(Classify, attributes(permanent, retryable))]
pub fn derive_classify(item: TokenStream) -> TokenStream {
    fallback::run_derive(item, classify::derive)
}
