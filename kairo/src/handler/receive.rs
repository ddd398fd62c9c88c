//! What the first argument of a handler can be, and how it comes out of a delivery.

use std::sync::Arc;

use super::{
    Failure, FromContext, Need, State,
    delivery::{Delivery, EventRef, Outcome, RunError},
    entry::{Intake, Listen},
};
use crate::{
    error::DecodeError,
    event::{
        Event, EventSet,
        envelope::{AnyEvent, Envelope},
        record::Draft,
    },
};

/// An event, or a typed event enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "to make it one, put `#[kairo::event(\"its.name\")]` on the definition of `{Self}`"
)]
pub trait Receive: Sized + Send + Sync + 'static {
    /// What it can hold.
    const INTAKE: Intake;

    /// The payload, for a handler that takes `T`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    fn own(delivery: &Delivery<'_>) -> Result<Self, RunError>;

    /// The payload, for a handler that takes `&T`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    fn borrow<'a>(delivery: &Delivery<'a>) -> Result<EventRef<'a, Self>, RunError>;

    /// The payload in its envelope, for a handler that takes `Envelope<T>`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    fn envelope(delivery: &Delivery<'_>) -> Result<Envelope<Self>, RunError>;

    /// Whether a filter lets an event pass; one that cannot be decoded does, so that it is seen.
    fn wanted(event: &AnyEvent, filter: fn(&Self) -> bool) -> bool;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Receive for E {
    const INTAKE: Intake = Intake {
        listen: Listen::Event(E::NAME),
        members: &[E::NAME],
        open: false,
        ephemeral: E::EPHEMERAL,
    };

    fn own(delivery: &Delivery<'_>) -> Result<Self, RunError> {
        delivery.own()
    }

    fn borrow<'a>(delivery: &Delivery<'a>) -> Result<EventRef<'a, Self>, RunError> {
        delivery.borrow()
    }

    fn envelope(delivery: &Delivery<'_>) -> Result<Envelope<Self>, RunError> {
        delivery.envelope()
    }

    fn wanted(event: &AnyEvent, filter: fn(&Self) -> bool) -> bool {
        event.shared::<E>().map_or(true, |payload| filter(&payload))
    }
}

/// Decodes an event into a typed event enum, or into `AnyEvent`.
///
/// The functions below take this instead of a bound, so that a type that is no set is reported
/// once, where it stands.
type Decode<S> = fn(&AnyEvent) -> Result<S, DecodeError>;

/// A set, for a handler that takes it by value.
///
/// # Errors
/// [`RunError::Undecodable`] when the set has no such member, or the payload does not fit.
pub fn set_own<S>(delivery: &Delivery<'_>, decode: Decode<S>) -> Result<S, RunError> {
    Ok(decode(&delivery.any()?)?)
}

/// A set, for a handler that takes a reference.
///
/// # Errors
/// As [`set_own`].
pub fn set_borrow<'a, S>(
    delivery: &Delivery<'a>,
    decode: Decode<S>,
) -> Result<EventRef<'a, S>, RunError> {
    Ok(EventRef::Decoded(Arc::new(set_own(delivery, decode)?)))
}

/// A set in its envelope.
///
/// # Errors
/// As [`set_own`].
pub fn set_envelope<S>(
    delivery: &Delivery<'_>,
    decode: Decode<S>,
) -> Result<Envelope<S>, RunError> {
    let source = delivery.any()?;
    let payload = Arc::new(decode(&source)?);
    Ok(Envelope { source, payload })
}

/// Whether a filter lets a set pass; one that cannot be decoded does, so that it is seen.
pub fn set_wanted<S>(event: &AnyEvent, decode: Decode<S>, filter: fn(&S) -> bool) -> bool {
    decode(event).map_or(true, |set| filter(&set))
}

/// What a set says to an event that is none of its members.
#[must_use]
pub fn not_a_member<S>(event: &AnyEvent) -> DecodeError {
    DecodeError::Unknown { event: event.name().to_owned(), target: std::any::type_name::<S>() }
}

/// The filter of a handler that takes a set: a function of the set, or of any event.
#[diagnostic::on_unimplemented(
    message = "this cannot filter the events of `{S}`",
    label = "not a filter",
    note = "write `fn wanted(event: &{S}) -> bool` or `fn wanted(event: &AnyEvent) -> bool`"
)]
pub trait Filter<S, By> {
    /// Whether the event is wanted.
    fn passes(&self, event: &AnyEvent) -> bool;
}

/// Marks a filter that sees events as they are.
#[derive(Debug)]
pub struct ByEvent;

/// Marks a filter that sees the decoded set.
#[derive(Debug)]
pub struct BySet;

impl<S, F: Fn(&AnyEvent) -> bool> Filter<S, ByEvent> for F {
    fn passes(&self, event: &AnyEvent) -> bool {
        self(event)
    }
}

impl<S: EventSet, F: Fn(&S) -> bool> Filter<S, BySet> for F {
    fn passes(&self, event: &AnyEvent) -> bool {
        // One that cannot be decoded passes, so that the handler's run reports it.
        S::decode_set(event).map_or(true, |set| self(&set))
    }
}

/// The service whose method is called.
///
/// # Errors
/// A permanent failure when it was not registered, which `start()` has checked.
pub async fn service<S: Send + Sync + 'static>(
    delivery: &Delivery<'_>,
) -> Result<State<S>, RunError> {
    Ok(State::from_context(delivery.context()).await?)
}

/// All that some extractors need.
#[must_use]
pub fn gather(needs: &[fn() -> Vec<Need>]) -> Vec<Need> {
    needs.iter().flat_map(|needs| needs()).collect()
}

/// The outcome of a handler that returns nothing.
///
/// # Errors
/// None: it has the form of every outcome.
pub const fn done((): ()) -> Outcome {
    Ok(Vec::new())
}

/// The outcome of a handler that cannot fail but returns events.
///
/// # Errors
/// A permanent failure when an event cannot be encoded.
pub fn encoded(drafts: Result<Vec<Draft>, Failure>) -> Outcome {
    Ok(drafts?)
}
