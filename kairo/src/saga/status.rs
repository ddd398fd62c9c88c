//! How far a saga is.

use std::fmt;

use uuid::Uuid;

use super::{Saga, View};
use crate::{
    clock::Timestamp,
    engine::sagas::state::State,
    error::Result,
    journal::{Phase, SagaRow, events::SagaFailure},
};

/// How far a saga is, typed.
#[derive(Clone)]
pub struct Status<S: Saga> {
    /// Its id.
    pub id: Uuid,
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
    /// Why nobody knows how to go on.
    pub parked: Option<String>,
    /// Its input, and what is known of each step.
    pub state: S::State,
}

impl<S: Saga> fmt::Debug for Status<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("id", &self.id)
            .field("phase", &self.phase)
            .field("failure", &self.failure)
            .field("parked", &self.parked)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

pub(super) fn of<S: Saga>(row: SagaRow) -> Result<Status<S>> {
    let stored = State::read(&row.state)?;
    let state = S::state(&View { input: &stored.input, phase: row.phase, slots: &stored.steps })?;
    Ok(Status {
        id: row.id,
        key: row.key,
        phase: row.phase,
        cancelled: row.cancelled,
        started: row.started,
        changed: row.changed,
        failure: stored.failure,
        parked: stored.parked,
        state,
    })
}
