//! The attribute macros of `kairo`; use them through that crate.
//!
//! Each macro is a pipeline: `parse` reads what was written and keeps its spans, `model` knows the
//! rules and words the messages, `expand` writes code and cannot fail. All mistakes of an item are
//! reported at once, and the item itself is emitted even then, so that editors keep working.

mod aggregate;
mod args;
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
mod retry;
mod returns;
mod saga;
mod tokens;

use proc_macro::TokenStream;

/// Makes a struct or an enum an event, known everywhere by its stable, dotted name.
///
/// The type gets `Clone`, `Debug`, `Serialize` and `Deserialize`, each unless a `#[derive(..)]`
/// **below** this attribute has it already. (A derive above it runs first and cannot be seen, so
/// rustc would report two implementations.) It registers itself from every linked crate. Names
/// that begin with `kairo`, `saga` or `pipeline` are kept for the library's own events.
///
/// ```
/// use kairo::prelude::*;
///
/// #[event("user.created")]
/// struct UserCreated {
///     #[key]
///     user_id: u64,
///     name: String,
/// }
///
/// let user = UserCreated { user_id: 7, name: "Ada".into() };
/// assert_eq!(user.stream().as_deref(), Some("user-7"));
/// ```
///
/// # Options
/// - `#[key]` on a field: it names the event's stream, behind the first segment of the event's
///   name. Events of one stream are ordered; one without a stream has no order.
/// - `stream = "user-{user_id}"`: names the stream by a template over the fields.
/// - `version = 2, from(UserCreatedV1)`: payloads of version 1 are read through
///   `impl Upcast<UserCreatedV1> for UserCreated`. The chain of versions is checked.
/// - `validate`: payloads are checked by `impl Validate` when they are published, or returned by a
///   handler; what the log has already is not checked again.
/// - `ephemeral`: the event lives in memory only, and is handled inside `publish`.
/// - `local`: lets another type of the same crate have the same name, in tests for example;
///   without it that is a compile error.
/// - `crate = path`: where the library is, for those who re-export it.
///
/// A newtype, such as `struct OrderValidated(Order);`, gets `From<&Order>` as well.
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
/// Each variant holds an event. The enum implements `EventSet`, and `From` each of its members;
/// handled without a pattern, it listens to all of them. `#[other] Other(AnyEvent)` makes it open
/// to events of other names. A pattern, as in `#[events("user.*")]`, must match every member. A value
/// is published as the event that it holds.
///
/// ```
/// use kairo::prelude::*;
///
/// #[event("user.created")]
/// struct UserCreated { user_id: u64 }
///
/// #[event("user.deleted")]
/// struct UserDeleted { user_id: u64 }
///
/// #[events]
/// enum UserEvent {
///     Created(UserCreated),
///     Deleted(UserDeleted),
/// }
///
/// #[handler]
/// async fn count(event: &UserEvent) {}
///
/// assert_eq!(UserEvent::NAMES, ["user.created", "user.deleted"]);
/// ```
///
/// # Inline events
/// With a prefix, the variants' fields are the payloads, and each variant defines an event of its
/// own: `Placed` below is `order.placed`. Its type is a struct beside the enum with the same
/// fields and visibility, named after the enum (without a trailing `Event` or `Events`) and the
/// variant: `OrderPlaced`. That struct is handled alone, or published; so is a value of the enum,
/// with its fields cloned and unless it is ephemeral. The enum stays as it was written. `#[key]` and
/// `#[serde(..)]` work on the fields, and `#[event(..)]` in front of a variant takes the options of
/// that attribute, among them another name.
///
/// ```
/// use kairo::prelude::*;
///
/// #[events(prefix = "order")]
/// enum OrderEvent {
///     Placed { #[key] order_id: u64, total: u64 },
///     PaymentFailed { #[key] order_id: u64, reason: String },
/// }
///
/// #[handler(event = "order.placed")]
/// async fn confirm(order: &OrderPlaced) {}
///
/// assert_eq!(OrderEvent::NAMES, ["order.placed", "order.payment-failed"]);
/// let placed = OrderPlaced { order_id: 1, total: 5 };
/// assert!(matches!(OrderEvent::from(placed), OrderEvent::Placed { total: 5, .. }));
/// ```
#[proc_macro_attribute]
pub fn events(attribute: TokenStream, item: TokenStream) -> TokenStream {
    fallback::run(attribute, item, events::attribute)
}

/// Makes an `async fn` react to events. The function stays as it is and can be called in a test.
///
/// ```
/// use kairo::prelude::*;
///
/// #[event("order.payment-failed")]
/// struct PaymentFailed { order_id: u64 }
///
/// struct Gateway;
///
/// #[handler(
///     event = "order.payment-failed",
///     retry(max = 5, backoff = "2s", exponential, jitter),
///     timeout = "30s"
/// )]
/// async fn recover(event: Envelope<PaymentFailed>, gateway: State<Gateway>) -> Result<(), Failure> {
///     Ok(())
/// }
///
/// #[handler(pattern = "order.**")]
/// async fn track(event: &AnyEvent) {}
/// ```
///
/// # Arguments
/// The first is the event: `T`, `&T`, `Envelope<T>` or `&Envelope<T>`, where `T` is an event or a
/// typed event enum, or `AnyEvent`. Every further one is taken from the run by `FromContext`, such
/// as `State<T>`, `Attempt`, `Context`, or a type of your own, by value or by reference.
///
/// # What it returns
/// `()`, an event, an `Option` or `Vec` of events, or a `Result` of one of these. Returned events
/// are published with the handled one as their cause. A type alias of a `Result` must have a name
/// that ends in `Result`.
///
/// # What it listens to
/// Without any of these, to what its argument is: one event, or the members of an enum.
/// - `event = "user.created"`: a cross-reference that is checked against the argument.
/// - `pattern = "user.*"`: `*` is one segment and `**`, at the end, any number of them.
/// - `regex = ".."`: a regular expression over whole names.
///
/// # Options
/// - `name = ".."`: the durable name of the subscription; the function's path unless given.
/// - `renamed_from = ".."`: the name that it had before, so that it keeps its place.
/// - `start = "now" | "beginning"`: where a new subscription begins; at the log's end unless given.
/// - `retry(max = 5, backoff = "2s", exponential, jitter, pause_max = "1m")`: how a failure is
///   retried; 5 retries are 6 attempts. Durations are a whole number and `ms`, `s`, `m` or `h`.
/// - `timeout = "30s"`: how long an attempt may take.
/// - `concurrency = 8`: how many events of different keys run side by side, from 1 to 256.
/// - `unordered`: events of one key may overtake each other.
/// - `dead_letter = false`: a dead event is dropped instead of kept.
/// - `on_dead = "hold-key" | "release-key"`: whether later events of the key wait for a dead one.
/// - `filter = path`: a `fn(&T) -> bool` or `fn(&AnyEvent) -> bool`; what it refuses is handled.
/// - `ephemeral`: for ephemeral events, which it need not say about those that are so by type.
/// - `crate = path`: where the library is, for those who re-export it.
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
/// It goes on the `impl` block with the methods that apply events. Each carries `#[apply]`, takes
/// `&mut self` and one event (`&T`, `T`, `&Envelope<T>` or `Envelope<T>`), and returns nothing: the
/// event has happened. `#[apply(init)] fn created(event: &UserCreated) -> Self` makes the first
/// state; without such a method that is the type's `Default`. Every other method of the block stays
/// what it is, and so do these: a test can call them.
///
/// The methods generate a typed event enum, `UserEvent` for `User`, whose variants are named after
/// the methods.
///
/// ```
/// use kairo::prelude::*;
///
/// #[event("user.created")]
/// struct UserCreated { #[key] user_id: Uuid, name: String }
///
/// #[event("user.suspended")]
/// struct UserSuspended { #[key] user_id: Uuid, reason: String }
///
/// #[derive(Default)]
/// struct User { user_id: Uuid, name: String, suspended: bool }
///
/// #[aggregate("user")]
/// impl User {
///     #[apply]
///     fn created(&mut self, event: &UserCreated) {
///         self.user_id = event.user_id;
///         self.name.clone_from(&event.name);
///     }
///
///     #[apply]
///     fn suspended(&mut self, _event: &UserSuspended) {
///         self.suspended = true;
///     }
///
///     fn suspend(&self, reason: &str) -> Option<UserSuspended> {
///         let event = UserSuspended { user_id: self.user_id, reason: reason.into() };
///         (!self.suspended).then_some(event)
///     }
/// }
///
/// async fn suspend(kairo: &Kairo, id: Uuid) -> kairo::Result<()> {
///     let user = kairo.aggregate::<User>(id).load().await?;
///     println!("{} has had {} events", user.name, user.version());
///     kairo.aggregate::<User>(id).change(|user| user.suspend("fraud")).await?;
///     Ok(())
/// }
///
/// assert_eq!(UserEvent::NAMES, ["user.created", "user.suspended"]);
/// ```
///
/// # Options
/// - `event = UserEvent`: a declared `#[events]` enum, instead of a generated one; every member must
///   be applied, and nothing else.
/// - `strict`: an event of the stream that no method applies is an error; without it, it is skipped.
/// - `snapshot_every = 100`: keeps the state, which must implement serde, each time that so many
///   events have come. A snapshot that cannot be read is no error: the stream is.
/// - `snapshot_version = 2`: raise it when the state's shape or the meaning of an `#[apply]` method
///   changes, so that older snapshots are not read. Adding or removing a method does so by itself.
/// - `crate = path`: where the library is, for those who re-export it.
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
/// It goes on the `impl` block with the steps and what undoes them. The methods stay as they are and
/// can be called in a test.
///
/// ```
/// use kairo::prelude::*;
///
/// #[data]
/// struct Order { sku: String, cents: u64 }
///
/// #[data]
/// struct Reservation { id: u64 }
///
/// #[data]
/// struct Payment { id: String }
///
/// struct Checkout;
///
/// #[saga("checkout", timeout = "10m")]
/// impl Checkout {
///     #[step(retry(max = 5, backoff = "1s"))]
///     async fn reserve(&self, order: &Order) -> Result<Reservation, Failure> {
///         Ok(Reservation { id: 7 })
///     }
///
///     #[compensate(reserve)]
///     async fn release(&self, reservation: &Reservation) -> Result<(), Failure> {
///         Ok(())
///     }
///
///     #[step]
///     async fn charge(&self, order: &Order, key: IdempotencyKey) -> Result<Payment, Failure> {
///         Ok(Payment { id: key.to_string() })
///     }
///
///     #[compensate(charge)]
///     async fn refund(&self, payment: Option<&Payment>, key: IdempotencyKey) {}
///
///     #[step]
///     async fn ship(&self, reservation: &Reservation, payment: &Payment) -> Result<u64, Failure> {
///         Ok(reservation.id)
///     }
/// }
///
/// assert_eq!(CheckoutStep::Charge.to_string(), "charge");
/// ```
///
/// # Steps
/// A `#[step]` takes `&self` and, by reference, the saga's input and outputs of earlier steps, which
/// it asks for by their types as they are written: `&T`, or `Option<&T>` for a step that may not run.
/// `#[from(step)]` or `#[from(input)]` in front of an argument says whose output is meant where two
/// have one type. What is taken by value comes from the run, by `FromContext`: `State<T>`, `Publisher`,
/// `IdempotencyKey`, `Context`, `Attempt`, or a type of your own. It returns what it has made, or a
/// `Result` of that; a type alias of a `Result` must have a name that ends in `Result`.
///
/// Every step but the last is undone by a compensation, or says why not:
/// - `pure`: it changes nothing.
/// - `no_compensation = ".."`: nothing undoes it, for this reason.
///
/// And it may say:
/// - `after(a, b)`: the steps before it, besides those whose outputs it uses; without this, all that are
///   declared above it. Steps that do not follow each other run side by side. The last declared
///   step follows all others.
/// - `when = name`: a method of the block, `fn name(&self, ..) -> bool`, that decides whether it runs.
/// - `retry(max = 5, backoff = "2s", exponential, jitter, pause_max = "1m")` and `timeout = "30s"`, as for
///   [`#[handler]`](macro@handler).
/// - `on_unknown = "compensate" | "park"`: what happens when nobody knows whether it has happened;
///   unless it says so, it is undone if its compensation can run without its output.
///
/// # Compensations
/// `#[compensate(step)]` (also `timeout = ".."`) takes the output of its step, as `&T` or as
/// `Option<&T>` where it also undoes what may have happened; the saga's input, outputs of steps before
/// its own, and extractors. It returns nothing, or a `Result` of nothing.
///
/// # At its end
/// `#[on_complete]` takes outputs, and `#[on_error]` takes `&SagaFailure` and outputs as `Option<&T>`.
/// `#[migrate(from = "16 hexadecimal digits")] fn name(state: Value) -> Result<Value, E>` reads a state
/// that code of another shape has written.
///
/// # Options
/// - `timeout = "10m"`: how long the saga may take.
/// - `rollback_on_failure = false`: completed steps stay when it fails.
/// - `on = "order.placed"`: it starts on this event, which is its input.
/// - `output = step`: the step whose output it returns; the last unless given.
/// - `input = T`: what it is started with; unless given, the first `&T` of the first step that takes
///   one.
/// - `local`: lets another saga of the same crate have the same name, in tests for example.
/// - `crate = path`: where the library is, for those who re-export it.
///
/// # What it generates
/// For a `Checkout`: `CheckoutStep`, an enum of its steps, and `CheckoutState`, with a `phase`, the
/// `input`, and what is known of each step.
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
