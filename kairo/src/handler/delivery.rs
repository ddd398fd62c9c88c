//! One run of a handler: what it receives, and what comes out of it.

use std::{any::Any, fmt, ops::Deref, sync::Arc};

use stackfuture::StackFuture;

use super::{Context, Failure, failure::IntoFailure};
use crate::{
    error::DecodeError,
    event::{
        Event, EventSet,
        envelope::{AnyEvent, Envelope},
        publishable::Publishable,
        record::Draft,
    },
};

/// The bytes that a handler's future may have before it moves to the heap. A future is copied on
/// its way to where it runs: together with its two functions it has 128 bytes, the most that are
/// copied without a call.
const FUTURE_BYTES: usize = 112;

/// A handler's run: kept in place while it is small, so that a delivery need not allocate.
pub type HandlerFuture<'a> = StackFuture<'a, Outcome, FUTURE_BYTES>;

/// What a run ends with: events to publish, or why there are none.
pub type Outcome = Result<Vec<Draft>, RunError>;

/// Why a run did not end well.
#[derive(Debug)]
pub enum RunError {
    /// The handler, or an extractor, failed.
    Failed(Failure),
    /// The event could not become what the handler takes; the handler did not run.
    Undecodable(DecodeError),
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<DecodeError> for RunError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(error)
    }
}

/// Puts a run where its caller wants it.
#[inline]
pub fn run<'a>(future: impl Future<Output = Outcome> + Send + 'a) -> HandlerFuture<'a> {
    StackFuture::from_or_box(future)
}

/// One event on its way into one handler.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    pub(crate) payload: &'a Payload<'a>,
    pub(crate) context: &'a Context,
}

/// Where the payload comes from.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Bytes of the log.
    Logged,
    /// The publisher's own value, which only ephemeral delivery shares.
    Shared { value: &'a (dyn Any + Send + Sync), encode: fn(&dyn Any) -> crate::Result<Draft> },
}

impl<'a> Delivery<'a> {
    /// What the run knows.
    #[must_use]
    #[inline]
    pub const fn context(self) -> &'a Context {
        self.context
    }

    /// The event, as it is.
    ///
    /// # Errors
    /// A permanent failure, when an ephemeral payload cannot be encoded.
    pub fn any(self) -> Result<AnyEvent, RunError> {
        match (&self.context.event, self.payload) {
            (Some(event), _) => Ok(event.clone()),
            (None, Payload::Shared { value, encode }) => encode(*value)
                .map(|draft| AnyEvent::fresh(draft, &crate::clock::Clock::system()))
                .map_err(|error| Failure::permanent(error).into()),
            (None, Payload::Logged) => Err(Failure::permanent("the delivery has no event").into()),
        }
    }

    /// The payload, for a handler that takes `&T`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    #[inline]
    pub fn borrow<T: Event>(self) -> Result<EventRef<'a, T>, RunError> {
        if let Payload::Shared { value, .. } = self.payload
            && let Some(value) = value.downcast_ref::<T>()
        {
            return Ok(EventRef::Borrowed(value));
        }
        self.decoded().map(EventRef::Decoded)
    }

    /// The payload from its bytes. It is no part of `borrow`, which should be small.
    #[inline(never)]
    fn decoded<T: Event>(self) -> Result<Arc<T>, RunError> {
        Ok(self.any()?.shared::<T>()?)
    }

    /// The payload, for a handler that takes `T`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    #[inline]
    pub fn own<T: Event>(self) -> Result<T, RunError> {
        match self.borrow::<T>()? {
            EventRef::Borrowed(value) => Ok(value.clone()),
            EventRef::Decoded(payload) => Ok(Arc::unwrap_or_clone(payload)),
        }
    }

    /// The payload in its envelope, for a handler that takes `Envelope<T>`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the event cannot become a `T`.
    pub fn envelope<T: Event>(self) -> Result<Envelope<T>, RunError> {
        let source = self.any()?;
        let payload = source.shared::<T>()?;
        Ok(Envelope { source, payload })
    }

    /// The event as a member of a typed event enum, or as an `AnyEvent`.
    ///
    /// # Errors
    /// [`RunError::Undecodable`] when the enum has no such member, or the payload does not fit.
    pub fn set<S: EventSet>(self) -> Result<S, RunError> {
        Ok(S::decode_set(&self.any()?)?)
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("context", &self.context).finish_non_exhaustive()
    }
}

/// A payload that a handler borrows: decoded from the log, or the publisher's own.
#[derive(Debug)]
pub enum EventRef<'a, T> {
    /// Decoded, and shared with the other handlers of this type.
    Decoded(Arc<T>),
    /// The value that was published.
    Borrowed(&'a T),
}

impl<T> Deref for EventRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Decoded(payload) => payload,
            Self::Borrowed(value) => value,
        }
    }
}

/// What a handler may return when it cannot fail: nothing, or events to publish.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "expected `()`, an event to publish, or a `Result` of these",
    note = "a handler returns `()`, an event (which is then published), `Option`/`Vec` of events, or a `Result` of one of these"
)]
pub trait HandlerOutput {
    /// The events to publish.
    ///
    /// # Errors
    /// A permanent failure when an event is not valid or cannot be encoded.
    fn into_drafts(self) -> Result<Vec<Draft>, Failure>;
}

#[diagnostic::do_not_recommend]
impl HandlerOutput for () {
    fn into_drafts(self) -> Result<Vec<Draft>, Failure> {
        Ok(Vec::new())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Publishable> HandlerOutput for E {
    fn into_drafts(self) -> Result<Vec<Draft>, Failure> {
        const { assert!(!E::EPHEMERAL, "an ephemeral event cannot be returned: publish it") };
        Ok(vec![self.draft().map_err(Failure::permanent)?])
    }
}

#[diagnostic::do_not_recommend]
impl<T: HandlerOutput> HandlerOutput for Option<T> {
    fn into_drafts(self) -> Result<Vec<Draft>, Failure> {
        self.map_or(Ok(Vec::new()), T::into_drafts)
    }
}

#[diagnostic::do_not_recommend]
impl<T: HandlerOutput> HandlerOutput for Vec<T> {
    fn into_drafts(self) -> Result<Vec<Draft>, Failure> {
        let mut drafts = Vec::with_capacity(self.len());
        for event in self {
            drafts.append(&mut event.into_drafts()?);
        }
        Ok(drafts)
    }
}

/// What a handler may return when it can fail.
///
/// A trait of its own: beside a blanket implementation for events, rustc would stop at the whole
/// `Result` and never name the part of it that is wrong.
pub trait HandlerResult {
    /// The events to publish.
    ///
    /// # Errors
    /// The handler's failure.
    fn into_outcome(self) -> Outcome;
}

impl<T: HandlerOutput, E: IntoFailure> HandlerResult for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        Ok(self.map_err(E::into_failure)?.into_drafts()?)
    }
}

/// What a closure that handles events may return: either of the two above.
pub trait ClosureOutput {
    /// The events to publish.
    ///
    /// # Errors
    /// The closure's failure.
    fn into_outcome(self) -> Outcome;
}

impl<T: HandlerOutput> ClosureOutput for T {
    fn into_outcome(self) -> Outcome {
        Ok(self.into_drafts()?)
    }
}

impl<T: HandlerOutput, E: IntoFailure> ClosureOutput for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        HandlerResult::into_outcome(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Validate, Violations, event, handler::Class};

    #[event("refund.paid", validate)]
    struct RefundPaid {
        cents: u64,
    }

    impl Validate for RefundPaid {
        fn validate(&self) -> Result<(), Violations> {
            if self.cents == 0 { Err("a refund pays something".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn a_returned_event_that_is_not_valid_is_a_permanent_failure() {
        assert_eq!(RefundPaid { cents: 1 }.into_drafts().unwrap().len(), 1);
        let events = vec![RefundPaid { cents: 1 }, RefundPaid { cents: 0 }];
        let failure = events.into_drafts().unwrap_err();
        assert_eq!(failure.class(), Class::Permanent);
        let expected = "payload of event `refund.paid` is not valid: a refund pays something";
        assert_eq!(failure.to_string(), expected);
    }
}
