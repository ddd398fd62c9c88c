//! All sagas of a store, whatever their kind, with what an operator can do about them.

use std::{fmt, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    blueprint::Stored,
    bus::{Kairo, Shared},
    clock::Timestamp,
    engine::{
        Engine,
        sagas::{state::State, verbs::Verb},
    },
    error::{Error, Result},
    journal::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite, events::SagaFailure},
    store::Unit,
};

/// How often a verb is tried again because the saga has changed meanwhile.
const TRIES_MAX: usize = 5;

/// All sagas of a store.
#[derive(Clone)]
pub struct Sagas {
    shared: Arc<Shared>,
}

/// A saga, as far as can be said without its types.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SagaInfo {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// What it was started for.
    pub key: Option<String>,
    /// Where it is.
    pub phase: Phase,
    /// Whether somebody wants it to end.
    pub cancelled: bool,
    /// When it was started.
    pub started: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// Why it goes back, or went.
    pub failure: Option<SagaFailure>,
    /// The step whose compensation has finally failed.
    pub stuck: Option<String>,
    /// What is wrong, outermost first.
    pub errors: Vec<String>,
    /// Its state, as it is stored.
    pub state: Value,
}

impl Kairo {
    /// All sagas of the store, with what an operator can do about them.
    #[must_use]
    pub fn sagas(&self) -> Sagas {
        Sagas { shared: Arc::clone(self.shared()) }
    }
}

impl Sagas {
    /// The sagas that pass the filter, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails.
    pub async fn list(&self, filter: SagaFilter) -> Result<Vec<SagaInfo>> {
        let rows = self.engine().backend.sagas(filter).await?;
        Ok(rows.into_iter().map(SagaInfo::of).collect())
    }

    /// One saga.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none with this id.
    pub async fn get(&self, id: Uuid) -> Result<SagaInfo> {
        Ok(SagaInfo::of(self.row(id).await?))
    }

    /// As [`SagaRef::cancel`](super::SagaRef::cancel).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongState`].
    pub async fn cancel(&self, id: Uuid) -> Result {
        cancel(self.engine(), id).await
    }

    /// Tries again what a saga stopped at: the compensation of a stuck one, or what a parked one was
    /// about to do.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::WrongState`] when it is neither stuck nor parked.
    pub async fn retry(&self, id: Uuid) -> Result {
        self.steer(id, &Verb::Retry).await
    }

    /// As [`retry`](Self::retry), with another value: a stuck saga's compensation is given this as the
    /// output of its step, and a parked saga goes on as if it had been started with this.
    ///
    /// # Errors
    /// As `retry`.
    pub async fn retry_with(&self, id: Uuid, value: Value) -> Result {
        let stored: Stored = serde_json::value::to_raw_value(&value)
            .map_err(|error| Error::Saga(format!("the value cannot be written: {error}")))?;
        self.steer(id, &Verb::RetryWith(stored)).await
    }

    /// Goes on as if the compensation that a saga is stuck at had succeeded; the reason is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::WrongState`] when it is not stuck; [`Error::Invalid`] without a
    /// reason.
    pub async fn skip(&self, id: Uuid, reason: impl Into<String>) -> Result {
        let reason = reason.into();
        if reason.trim().is_empty() {
            return Err(Error::invalid("reason", reason, "say why nothing is left to undo"));
        }
        self.steer(id, &Verb::Skip(reason)).await
    }

    /// Gives up undoing, and goes forward again: what was undone, or had failed, begins anew under a
    /// new idempotency key, and what nobody knows is tried again under its old one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::WrongState`] when it is neither stuck nor parked.
    pub async fn resume(&self, id: Uuid) -> Result {
        self.steer(id, &Verb::Resume).await
    }

    /// Undoes what a failed saga has left as it was, or a parked one has done; an unknown outcome is
    /// undone in case it has happened.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::WrongState`] when it has neither failed nor is parked.
    pub async fn compensate(&self, id: Uuid) -> Result {
        self.steer(id, &Verb::Compensate).await
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    async fn row(&self, id: Uuid) -> Result<SagaRow> {
        self.engine().backend.saga(id).await?.ok_or_else(|| missing(id))
    }

    async fn steer(&self, id: Uuid, verb: &Verb) -> Result {
        let mut tries = 0;
        loop {
            let now = self.engine().clock.now();
            let row = self.row(id).await?;
            let mut state = State::read(&row.state)?;
            let phase = state.steer(&row, verb, now)?;
            let state = state.write()?;
            let write = SagaWrite { phase, due: now, state, ..row.unchanged(now) };
            let unit = Unit { sagas: vec![SagaChange::Write(write)], ..Unit::default() };
            tries += 1;
            match self.engine().backend.commit(unit).await {
                Err(Error::SagaMoved { .. }) if tries < TRIES_MAX => {}
                steered => {
                    self.engine().sagas.look.notify_one();
                    return steered.map(drop);
                }
            }
        }
    }
}

/// No saga has this id.
pub(super) fn missing(id: Uuid) -> Error {
    Error::NotFound { what: "saga", value: id.to_string() }
}

/// Notes that somebody wants a saga to end.
pub(super) async fn cancel(engine: &Engine, id: Uuid) -> Result {
    let cancel = SagaChange::Cancel { id, now: engine.clock.now() };
    engine.backend.commit(Unit { sagas: vec![cancel], ..Unit::default() }).await?;
    engine.sagas.look.notify_one();
    Ok(())
}

impl SagaInfo {
    fn of(row: SagaRow) -> Self {
        let stored = State::read(&row.state);
        let (failure, stuck, errors) = match &stored {
            Ok(state) => {
                let stuck = state.stuck();
                let errors = match (&state.parked, stuck, &state.failure) {
                    (Some(why), _, _) => vec![why.clone()],
                    (None, Some((_, errors)), _) => errors.to_vec(),
                    (None, None, Some(failure)) => failure.errors.clone(),
                    (None, None, None) => Vec::new(),
                };
                (state.failure.clone(), stuck.map(|(step, _)| step.to_owned()), errors)
            }
            Err(error) => (None, None, vec![error.to_string()]),
        };
        let text = || Value::String(String::from_utf8_lossy(&row.state).into_owned());
        let state = serde_json::from_slice(&row.state).unwrap_or_else(|_| text());
        Self {
            id: row.id,
            saga: row.saga,
            key: row.key,
            phase: row.phase,
            cancelled: row.cancelled,
            started: row.started,
            changed: row.changed,
            failure,
            stuck,
            errors,
            state,
        }
    }
}

impl fmt::Debug for Sagas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sagas").finish_non_exhaustive()
    }
}
