//! The attribute macros of `kairo`; use them through that crate.
//!
//! Each macro is a pipeline: `parse` reads what was written and keeps its spans, `model` knows the
//! rules and words the messages, `expand` writes code and cannot fail. All mistakes of an item are
//! reported at once, and the item itself is emitted even then, so that editors keep working. What
//! there is to say about the large ones is in `docs`.

mod aggregate;
mod args;
mod block;
mod classify;
mod declared;
mod event;
mod events;
mod fallback;
mod handler;
mod mistakes;
mod names;
mod paths;
mod payload;
mod pipeline;
mod repository;
mod retry;
mod returns;
mod saga;
mod tokens;

use proc_macro::TokenStream;

/// Makes a struct or an enum an event, known everywhere by its stable, dotted name.
///
#[doc = include_str!("docs/event.md")]
#[proc_macro_attribute]
pub fn event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, event::attribute)
}

/// `#[event]` as a derive, for a type that has its other derives already.
///
/// The options are those of the attribute, in `#[kairo(..)]`; the name is `event = ".."`.
///
/// ```
/// use kairo::prelude::*;
///
/// #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Event)]
/// #[kairo(event = "user.created")]
/// struct UserCreated {
///     #[key]
///     user_id: u64,
/// }
/// assert_eq!(UserCreated::NAME, "user.created");
/// ```
#[proc_macro_derive(Event, attributes(kairo, key))]
pub fn derive_event(item: TokenStream) -> TokenStream {
    fallback::run_derive(item, event::derive)
}

/// Makes a struct or an enum storable, so that it can be a field of an event.
///
/// It gets `Clone`, `Debug`, `Serialize` and `Deserialize`, each unless a derive below this
/// attribute has it already; the crate needs no serde of its own.
///
/// ```
/// use kairo::prelude::*;
///
/// #[data]
/// enum Tier {
///     Free,
///     Pro { seats: u32 },
/// }
///
/// #[event("user.upgraded")]
/// struct UserUpgraded {
///     tier: Tier,
/// }
/// ```
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, payload::expand)
}

/// Makes an enum a typed event enum: one of several events, decoded by name.
///
#[doc = include_str!("docs/events.md")]
#[proc_macro_attribute]
pub fn events(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, events::attribute)
}

/// Makes an `async fn` react to events. The function stays as it is and can be called in a test.
///
#[doc = include_str!("docs/handler.md")]
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::function)
}

/// Makes an `async fn` react to dead letters, which are the event `kairo.dead-letter.created`.
///
/// What it fails at becomes a dead letter in its turn, but no event is made of that one, so that an
/// alarm that fails does not ring itself. The options are those of `#[handler]`, without the ones
/// that say what it listens to or what becomes of dead events.
///
/// ```
/// use kairo::{delivery::DeadLetter, prelude::*};
///
/// #[on_dead_letter]
/// async fn alert(letter: &DeadLetter) {
///     eprintln!("{} failed: {}", letter.subscription, letter.error());
/// }
/// ```
#[proc_macro_attribute]
pub fn on_dead_letter(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::on_dead_letter)
}

/// Makes the marked methods of a service react to events.
///
/// The methods take `&self` and carry `#[handler]` or `#[on_dead_letter]`; the value is given to
/// the builder with `.handlers(value)`.
///
/// ```
/// use kairo::prelude::*;
///
/// #[event("user.created")]
/// struct UserCreated { name: String }
///
/// struct Notifications { greeting: String }
///
/// #[handlers]
/// impl Notifications {
///     #[handler(event = "user.created")]
///     async fn welcome(&self, user: &UserCreated) {
///         println!("{} {}!", self.greeting, user.name);
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn handlers(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, handler::service)
}

/// Makes a type an aggregate: a state that is rebuilt from the events of its stream.
///
#[doc = include_str!("docs/aggregate.md")]
#[proc_macro_attribute]
pub fn aggregate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, aggregate::attribute)
}

/// Marks the methods that apply events, inside a block with
/// [`#[aggregate]`](macro@aggregate) on it.
#[proc_macro_attribute]
pub fn apply(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, aggregate::stray)
}

/// Makes a type a saga: steps in several places that happen all, or are undone.
///
#[doc = include_str!("docs/saga.md")]
#[proc_macro_attribute]
pub fn saga(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::attribute)
}

/// Marks the steps, inside a block with [`#[saga]`](macro@saga) on it.
#[proc_macro_attribute]
pub fn step(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::stray("step"))
}

/// Marks the methods that undo a step, inside a block with [`#[saga]`](macro@saga) on it.
#[proc_macro_attribute]
pub fn compensate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::stray("compensate"))
}

/// Marks the method that runs when a saga has completed, inside a block with [`#[saga]`](macro@saga) on it.
#[proc_macro_attribute]
pub fn on_complete(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::stray("on_complete"))
}

/// Marks the method that runs when a saga has failed, inside a block with [`#[saga]`](macro@saga) on it; or
/// when the run of a pipeline has, inside one with [`#[pipeline]`](macro@pipeline).
#[proc_macro_attribute]
pub fn on_error(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::stray("on_error"))
}

/// Marks the functions that read the state of older code, inside a block with [`#[saga]`](macro@saga) on it.
#[proc_macro_attribute]
pub fn migrate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, saga::stray("migrate"))
}

#[doc = include_str!("docs/pipeline.md")]
#[proc_macro_attribute]
pub fn pipeline(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, pipeline::attribute)
}

/// Marks the stages that make something else of what flows by, inside a block with
/// [`#[pipeline]`](macro@pipeline) on it.
#[proc_macro_attribute]
pub fn map(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, pipeline::stray("map"))
}

/// Marks the stages that let pass what they want, inside a block with [`#[pipeline]`](macro@pipeline) on it.
#[proc_macro_attribute]
pub fn filter(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, pipeline::stray("filter"))
}

/// Marks the stages that publish an event, inside a block with [`#[pipeline]`](macro@pipeline) on it.
#[proc_macro_attribute]
pub fn emit(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, pipeline::stray("emit"))
}

/// Marks the method that runs when a pipeline has come to its end, inside a block with
/// [`#[pipeline]`](macro@pipeline) on it.
#[proc_macro_attribute]
pub fn on_success(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, pipeline::stray("on_success"))
}

/// Says of an error type which of its values trying again can help.
///
/// `#[permanent]` and `#[retryable]` stand on variants, or on the type as the default of the
/// others; without any, an error is retryable. The class is found wherever the error appears in
/// the chain of causes of what a handler fails with.
///
/// ```
/// use kairo::{Classify, Failure, handler::Class};
///
/// #[derive(Debug, thiserror::Error, Classify)]
/// enum MailError {
///     #[error("no such address: {0}")]
///     #[permanent]
///     NoSuchAddress(String),
///     #[error("the server is busy")]
///     Busy,
/// }
///
/// assert_eq!(Failure::from(MailError::NoSuchAddress("?".into())).class(), Class::Permanent);
/// assert_eq!(Failure::from(MailError::Busy).class(), Class::Retryable);
/// ```
#[proc_macro_derive(Classify, attributes(permanent, retryable))]
pub fn derive_classify(item: TokenStream) -> TokenStream {
    fallback::run_derive(item, classify::derive)
}

#[doc = include_str!("docs/repository.md")]
#[proc_macro_attribute]
pub fn repository(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, repository::attribute)
}
