//! What a handler's run knows, and how its arguments are taken from it.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    ops::Deref,
    sync::Arc,
};

use uuid::Uuid;

use super::Failure;
use crate::{
    clock::Clock,
    event::{envelope::AnyEvent, record::EventData},
};

/// Values by type, shared with all handlers.
#[derive(Clone, Default)]
pub(crate) struct States {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.values.insert(TypeId::of::<T>(), value);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        self.values.contains_key(&id)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.values.len())
    }
}

/// A value of the application that a handler cannot run without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The type.
    pub type_id: TypeId,
    /// Its name, for messages.
    pub type_name: &'static str,
}

impl Need {
    /// The need for a `T`.
    #[must_use]
    pub fn of<T: 'static>() -> Self {
        Self { type_id: TypeId::of::<T>(), type_name: type_name::<T>() }
    }
}

/// What a handler's run knows: its event, its attempt, its subscription, the application's state.
#[derive(Clone)]
pub struct Context {
    pub(crate) event: Option<AnyEvent>,
    pub(crate) attempt: NonZeroU32,
    pub(crate) subscription: Arc<str>,
    pub(crate) generation: u32,
    /// What tells an edited payload from the original one.
    pub(crate) edit: Option<Uuid>,
    pub(crate) states: Arc<States>,
    /// The saga or the pipeline of which a part runs.
    pub(crate) whole: Option<Whole>,
}

/// What the place of a compensation has behind that of its step.
pub(crate) const UNDO: &str = "/undo";

/// The saga or the pipeline of which a part runs.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) id: Uuid,
    /// That of the claim under which a saga runs; a pipeline has none.
    pub(crate) epoch: Option<u64>,
    pub(crate) correlation: Uuid,
    pub(crate) depth: u32,
}

impl Whole {
    /// Whether it is a saga's.
    pub(crate) const fn is_saga(&self) -> bool {
        self.epoch.is_some()
    }
}

impl Context {
    /// The first attempt at an event, in a subscription named `test` and without any state: what
    /// an extractor is given in a test.
    ///
    /// ```
    /// use kairo::{prelude::*, serde_json::json};
    ///
    /// #[event("seat.reserved")]
    /// struct SeatReserved { #[key] seat: u32 }
    ///
    /// # async fn run() -> Result<(), Failure> {
    /// let event = AnyEvent::new("seat.reserved", json!({ "seat": 7 }))?;
    /// let attempt = Attempt::from_context(&Context::of(event)).await?;
    /// assert_eq!(attempt.get(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(event: AnyEvent) -> Self {
        Self {
            event: Some(event),
            attempt: NonZeroU32::MIN,
            subscription: "test".into(),
            generation: 0,
            edit: None,
            states: Arc::default(),
            whole: None,
        }
    }

    /// The event that is being handled; `None` for an ephemeral one, which has no envelope, in a step
    /// of a saga, and in a pipeline that no handler runs.
    #[must_use]
    pub const fn event(&self) -> Option<&AnyEvent> {
        self.event.as_ref()
    }

    /// The attempt, from 1.
    #[must_use]
    pub const fn attempt(&self) -> NonZeroU32 {
        self.attempt
    }

    /// The durable name of the subscription.
    #[must_use]
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// A key that is the same for every attempt at this event in this subscription, and for no
    /// other: hand it to services outside, so that they can refuse to do the same thing twice.
    ///
    /// Ephemeral events have no identity, so for them the key is a new one each time.
    #[must_use]
    pub fn idempotency_key(&self) -> Uuid {
        match (&self.whole, &self.event) {
            (Some(whole), _) => derived_id(self, whole.id, "", 0),
            (None, Some(event)) => derived_id(self, event.id(), "", 0),
            (None, None) => Clock::system().new_id(),
        }
    }

    /// The value of this type that was given to the builder.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.get()
    }

    pub(crate) fn data(&self) -> Option<&EventData> {
        self.event.as_ref().map(AnyEvent::data)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("subscription", &self.subscription)
            .field("attempt", &self.attempt)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// The id of what the handling of `cause` publishes as its `ordinal`-th event named `name`.
///
/// UUID v8: the SHA-1 of UUID v5 over subscription, generation, cause, name and ordinal, so that
/// another attempt derives the same ids and the log can ignore what it already has. A payload that
/// somebody has edited is another cause.
pub(crate) fn derived_id(context: &Context, cause: Uuid, name: &str, ordinal: u32) -> Uuid {
    let mut seed = Vec::with_capacity(context.subscription.len() + name.len() + 10);
    seed.extend_from_slice(context.subscription.as_bytes());
    seed.push(0);
    seed.extend_from_slice(&context.generation.to_be_bytes());
    if let Some(edit) = context.edit {
        seed.extend_from_slice(edit.as_bytes());
    }
    seed.extend_from_slice(name.as_bytes());
    seed.push(0);
    seed.extend_from_slice(&ordinal.to_be_bytes());
    Uuid::new_v8(Uuid::new_v5(&cause, &seed).into_bytes())
}

/// An argument of a handler behind its event.
///
/// ```
/// use kairo::{Context, Failure, FromContext};
///
/// struct Tenant(String);
///
/// impl FromContext for Tenant {
///     async fn from_context(context: &Context) -> Result<Self, Failure> {
///         let tenant = context.event().and_then(|event| event.metadata().get("tenant"));
///         tenant.cloned().map(Tenant).ok_or_else(|| Failure::permanent("the event has no tenant"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler, a step or a stage",
    label = "not something that a run can give",
    note = "a handler's first argument is its event, a stage's what flows by; every further one, and what a step of a saga takes by value, is an extractor: `State<T>`, `Publisher`, `Attempt`, `Context`, or your own type with `impl kairo::FromContext`",
    note = "to receive a shared value of this type, write `State<{Self}>` and call `.state(..)` when the application is built"
)]
pub trait FromContext: Sized + Send {
    /// What the application must provide for this; checked once, at start.
    #[must_use]
    fn needs() -> Vec<Need> {
        Vec::new()
    }

    /// Takes the value from the run. It is called anew for every attempt.
    ///
    /// # Errors
    /// A [`Failure`] counts as the handler's own.
    fn from_context(context: &Context) -> impl Future<Output = Result<Self, Failure>> + Send;
}

/// A shared value that was given to the builder with `.state(..)`; it dereferences to it.
pub struct State<T>(pub Arc<T>);

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> FromContext for State<T> {
    fn needs() -> Vec<Need> {
        vec![Need::of::<T>()]
    }

    async fn from_context(context: &Context) -> Result<Self, Failure> {
        // `start()` has checked the need; only a hand-made context can lack it.
        context.state().map(Self).ok_or_else(|| {
            Failure::permanent(format!("no `{}` was given to the builder", type_name::<T>()))
        })
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}

#[diagnostic::do_not_recommend]
impl FromContext for Context {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(context.clone())
    }
}

/// A key that is the same for every attempt at a step, a compensation, a stage of a pipeline, or an
/// event in its subscription: hand it to services outside, so that they do the same thing once.
///
/// It is written as a UUID. In a saga it also says [where](Self::place) it comes from, and under
/// which [epoch](Self::epoch).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    id: Uuid,
    undoes: Option<Uuid>,
    place: Arc<str>,
    epoch: u64,
}

impl IdempotencyKey {
    /// The key itself.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// In a compensation, the key that its step had: by it a service finds what to undo, also when the
    /// step's answer was lost.
    #[must_use]
    pub const fn undoes(&self) -> Option<Uuid> {
        self.undoes
    }

    /// What it is the key of: `order/charge_payment` for a step, `order/charge_payment/undo` for its
    /// compensation, `pipeline:order/enrich` for a stage, or the name of a subscription.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Rises whenever another process takes the saga over; 0 elsewhere. A service that has seen a
    /// higher one for the same saga can refuse this call, which comes from an owner that was thought
    /// dead.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[diagnostic::do_not_recommend]
impl FromContext for IdempotencyKey {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        let is_step = context.whole.as_ref().is_some_and(Whole::is_saga);
        let step = context.subscription.strip_suffix(UNDO).filter(|_| is_step);
        let undoes = step.map(|step| {
            let step = Context { subscription: step.into(), ..context.clone() };
            step.idempotency_key()
        });
        Ok(Self {
            id: context.idempotency_key(),
            undoes,
            place: Arc::clone(&context.subscription),
            epoch: context.whole.as_ref().and_then(|whole| whole.epoch).unwrap_or(0),
        })
    }
}

/// The number of the attempt, from 1; a retry is every attempt after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub NonZeroU32);

impl Attempt {
    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

#[diagnostic::do_not_recommend]
impl FromContext for Attempt {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(Self(context.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[event("parcel.lost")]
    struct ParcelLost {
        #[key]
        parcel: u64,
    }

    #[tokio::test]
    async fn a_context_outside_a_run_is_the_first_attempt_without_state() {
        let event = AnyEvent::new("parcel.lost", serde_json::json!({ "parcel": 7 })).unwrap();
        let context = Context::of(event.clone());
        assert_eq!(Attempt::from_context(&context).await.unwrap().get(), 1);
        assert_eq!(context.event().map(AnyEvent::id), Some(event.id()));
        assert!(State::<String>::from_context(&context).await.is_err());
    }
}
