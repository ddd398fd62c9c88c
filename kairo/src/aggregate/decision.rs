//! What a change comes to: events, nothing, or a refusal.

use crate::{
    bus::durable_draft,
    error::Result,
    event::{publishable::Publishable, record::Draft},
};

/// Events that an instance gets: one, an `Option` or a `Vec` of them, or none: `()`.
#[diagnostic::on_unimplemented(
    message = "a change cannot be `{Self}`",
    label = "expected `()`, an event, or an `Option`, `Vec` or `Result` of events",
    note = "return the events that the change consists of; for events of several types, a `Vec` of the aggregate's event enum"
)]
pub trait Changes {
    /// The events, encoded.
    ///
    /// # Errors
    /// [`Error::Encode`](crate::Error::Encode) and [`Error::Invalid`](crate::Error::Invalid) for
    /// what cannot be an event, [`Error::Misuse`](crate::Error::Misuse) for an ephemeral one.
    fn drafts(self) -> Result<Vec<Draft>>;
}

#[diagnostic::do_not_recommend]
impl Changes for () {
    fn drafts(self) -> Result<Vec<Draft>> {
        Ok(Vec::new())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Publishable> Changes for E {
    fn drafts(self) -> Result<Vec<Draft>> {
        durable_draft(&self).map(|draft| vec![draft])
    }
}

#[diagnostic::do_not_recommend]
impl<T: Changes> Changes for Option<T> {
    fn drafts(self) -> Result<Vec<Draft>> {
        self.map_or_else(|| Ok(Vec::new()), T::drafts)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Changes> Changes for Vec<T> {
    fn drafts(self) -> Result<Vec<Draft>> {
        let mut drafts = Vec::with_capacity(self.len());
        for events in self {
            drafts.append(&mut events.drafts()?);
        }
        Ok(drafts)
    }
}

/// What the closure of a change returns: [`Changes`], or a `Result` of them.
#[diagnostic::on_unimplemented(
    message = "a change cannot be `{Self}`",
    label = "expected `()`, an event, or an `Option`, `Vec` or `Result` of events",
    note = "return the events that the change consists of; for events of several types, a `Vec` of the aggregate's event enum"
)]
pub trait Decision {
    /// The events of a change that is not refused.
    type Changes: Changes;

    /// What becomes of a `T` that there is only if the change is not refused: itself, or a `Result`
    /// of it with the closure's own error.
    type Outcome<T>;

    /// The changes, or what a refusal comes to.
    ///
    /// # Errors
    /// The refusal.
    fn split<T>(self) -> Result<Self::Changes, Self::Outcome<T>>;

    /// The outcome of a change that was not refused.
    fn accepted<T>(value: T) -> Self::Outcome<T>;
}

#[diagnostic::do_not_recommend]
impl<C: Changes> Decision for C {
    type Changes = C;
    type Outcome<T> = T;

    fn split<T>(self) -> Result<C, T> {
        Ok(self)
    }

    fn accepted<T>(value: T) -> T {
        value
    }
}

#[diagnostic::do_not_recommend]
impl<C: Changes, E> Decision for Result<C, E> {
    type Changes = C;
    type Outcome<T> = Result<T, E>;

    fn split<T>(self) -> Result<C, Result<T, E>> {
        self.map_err(Err)
    }

    fn accepted<T>(value: T) -> Result<T, E> {
        Ok(value)
    }
}
