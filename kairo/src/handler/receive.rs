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
        Event,
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
    fn own(delivery: Delivery<'_>) -> Result<Self, RunError>;

    /// The payload, for a handler that takes `&T`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    fn borrow(delivery: Delivery<'_>) -> Result<EventRef<'_, Self>, RunError>;

    /// The payload in its envelope, for a handler that takes `Envelope<T>`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    fn envelope(delivery: Delivery<'_>) -> Result<Envelope<Self>, RunError>;

    /// The payload of an event that is not being delivered yet, for a filter.
    ///
    /// # Errors
    /// [`DecodeError`] when the event cannot become a `T`.
    fn peek(event: &AnyEvent) -> Result<Arc<Self>, DecodeError>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Receive for E {
    const INTAKE: Intake = Intake {
        listen: Listen::Event(E::NAME),
        members: &[E::NAME],
        open: false,
        ephemeral: E::EPHEMERAL,
        own: None,
    };

    #[inline]
    fn own(delivery: Delivery<'_>) -> Result<Self, RunError> {
        delivery.own()
    }

    #[inline]
    fn borrow(delivery: Delivery<'_>) -> Result<EventRef<'_, Self>, RunError> {
        delivery.borrow()
    }

    fn envelope(delivery: Delivery<'_>) -> Result<Envelope<Self>, RunError> {
        delivery.envelope()
    }

    fn peek(event: &AnyEvent) -> Result<Arc<Self>, DecodeError> {
        event.shared()
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
pub fn set_own<S>(delivery: Delivery<'_>, decode: Decode<S>) -> Result<S, RunError> {
    Ok(decode(&delivery.any()?)?)
}

/// A set, for a handler that takes a reference.
///
/// # Errors
/// As [`set_own`].
pub fn set_borrow<S>(
    delivery: Delivery<'_>,
    decode: Decode<S>,
) -> Result<EventRef<'_, S>, RunError> {
    Ok(EventRef::Decoded(Arc::new(set_own(delivery, decode)?)))
}

/// A set in its envelope.
///
/// # Errors
/// As [`set_own`].
pub fn set_envelope<S>(delivery: Delivery<'_>, decode: Decode<S>) -> Result<Envelope<S>, RunError> {
    let source = delivery.any()?;
    let payload = Arc::new(decode(&source)?);
    Ok(Envelope { source, payload })
}

/// What a set says to an event that is none of its members.
#[must_use]
pub fn not_a_member<S>(event: &AnyEvent) -> DecodeError {
    DecodeError::Unknown { event: event.name().to_owned(), target: std::any::type_name::<S>() }
}

/// The filter of a handler: a function of its payload, or of any event.
#[diagnostic::on_unimplemented(
    message = "`filter` cannot ask this function about `{T}`",
    label = "not a function of `&{T}` or `&AnyEvent`",
    note = "write it as `fn wanted(event: &{T}) -> bool` or `fn wanted(event: &AnyEvent) -> bool`"
)]
pub trait Filter<T, By> {
    /// Whether the event is wanted.
    fn passes(&self, event: &AnyEvent) -> bool;
}

/// Marks a filter that sees events as they are.
#[derive(Debug)]
pub struct ByEvent;

/// Marks a filter that sees the decoded payload.
#[derive(Debug)]
pub struct ByPayload;

#[diagnostic::do_not_recommend]
impl<T, F: Fn(&AnyEvent) -> bool> Filter<T, ByEvent> for F {
    fn passes(&self, event: &AnyEvent) -> bool {
        self(event)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Receive, F: Fn(&T) -> bool> Filter<T, ByPayload> for F {
    fn passes(&self, event: &AnyEvent) -> bool {
        // One that cannot be decoded passes, so that the handler's run reports it.
        T::peek(event).map_or(true, |payload| self(&payload))
    }
}

/// The service whose method is called.
///
/// # Errors
/// A permanent failure when it was not registered, which `start()` has checked.
pub async fn service<S: Send + Sync + 'static>(
    delivery: Delivery<'_>,
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
#[inline]
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
