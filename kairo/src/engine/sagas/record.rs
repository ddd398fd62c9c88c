//! Writing down how far a saga is, under the claim of this process.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::state::State;
use crate::{
    clock::Timestamp,
    engine::{Engine, tx::Tx},
    error::{Error, Result},
    event::record::{Draft, EventData},
    handler::Failure,
    journal::{Phase, SagaChange, SagaRow, SagaWrite},
    store::{Append, Unit, Version},
};

/// The pauses between tries to write: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is in the store.
    Yes,
    /// Somebody cancelled the saga meanwhile: nothing was written, and it is to be decided anew.
    Cancelled,
    /// Somebody else carries it on.
    Lost,
}

/// What became of a write with the transaction of a step.
#[derive(Debug)]
pub(super) enum WrittenIn {
    Known(Written),
    /// The store did not take what the step did: nothing was written, nothing has happened.
    Refused(Failure),
}

/// A saga's row, as this process has last seen it.
#[derive(Debug)]
pub(super) struct Record {
    engine: Arc<Engine>,
    pub(super) row: SagaRow,
}

/// What is written beside the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) phase: Phase,
    pub(super) due: Timestamp,
    /// Whether this process goes on with it.
    pub(super) keep: bool,
    pub(super) shape: u64,
    /// What the bus is told.
    pub(super) news: &'a [Draft],
}

impl Record {
    pub(super) const fn new(engine: Arc<Engine>, row: SagaRow) -> Self {
        Self { engine, row }
    }

    /// Puts a new saga into the store.
    ///
    /// # Errors
    /// [`Error::SagaExists`], or what the store fails with; then the saga may be there.
    pub(super) async fn start(&mut self, state: &State, news: &[Draft]) -> Result {
        self.row.state = state.write()?;
        let sagas = vec![SagaChange::Start(self.row.clone())];
        let unit = Unit { sagas, appends: self.appends(news), ..Unit::default() };
        match self.engine.backend.commit(unit).await {
            // Its own id can only be there because an earlier try of this has succeeded.
            Ok(_) | Err(Error::SagaExists { key: None, .. }) => Ok(()),
            Err(Error::SagaExists { id, .. }) if id == self.row.id => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes a new state; while the store fails, again and again.
    pub(super) async fn write(&mut self, state: &State, change: Change<'_>) -> Result<Written> {
        let state = state.write()?;
        let mut pause = PAUSE;
        loop {
            let write = self.change(state.clone(), change);
            let sagas = vec![SagaChange::Write(write.clone())];
            let unit = Unit { sagas, appends: self.appends(change.news), ..Unit::default() };
            match self.engine.backend.commit(unit).await {
                Ok(_) => {
                    self.row.write(&write)?;
                    return Ok(Written::Yes);
                }
                Err(error @ (Error::Closed | Error::Misuse(_))) => return Err(error),
                Err(Error::SagaMoved { .. } | Error::NotFound { .. }) => {}
                Err(error) => {
                    let saga = self.row.id;
                    tracing::warn!(%saga, %error, "the state of a saga cannot be written");
                    self.engine.sagas.trouble.note(&error);
                    self.engine.clock.sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            match self.look(&write).await {
                Ok(Some(written)) => return Ok(written),
                Ok(None) => {}
                Err(Error::Closed) => return Err(Error::Closed),
                // The next try finds out.
                Err(error) => self.engine.sagas.trouble.note(&error),
            }
        }
    }

    /// Writes a new state together with what a step did in its transaction. There is one try: a
    /// transaction that has come to nothing cannot be repeated.
    pub(super) async fn write_in(
        &mut self,
        mut tx: Tx,
        state: &State,
        change: Change<'_>,
    ) -> Result<WrittenIn> {
        let write = self.change(state.write()?, change);
        tx.add(Unit::of_appends(self.appends(change.news)));
        let error = match tx.commit_with(None, Some(SagaChange::Write(write.clone()))).await {
            Ok(_) => {
                self.row.write(&write)?;
                return Ok(WrittenIn::Known(Written::Yes));
            }
            Err(Error::Closed) => return Err(Error::Closed),
            Err(error) => error,
        };
        Ok(match self.look(&write).await? {
            Some(written) => WrittenIn::Known(written),
            None => WrittenIn::Refused(Failure::from(error)),
        })
    }

    fn change(&self, state: Bytes, change: Change<'_>) -> SagaWrite {
        SagaWrite {
            shape: change.shape,
            phase: change.phase,
            due: change.due,
            state,
            keep: change.keep,
            ..self.row.unchanged(self.engine.clock.now())
        }
    }

    /// Looks what has become of a write that was refused, or whose answer was lost; `None` when it
    /// can be tried again.
    async fn look(&mut self, write: &SagaWrite) -> Result<Option<Written>> {
        let Some(there) = self.engine.backend.saga(self.row.id).await? else {
            return Ok(Some(Written::Lost));
        };
        self.engine.sagas.trouble.end();
        if there.epoch != self.row.epoch {
            return Ok(Some(Written::Lost));
        }
        // Beside the owner, who writes once, only somebody who cancels it can have changed it.
        let is_cancelled = there.cancelled && !self.row.cancelled;
        let written = there.revision.checked_sub(self.row.revision + u64::from(is_cancelled));
        let is_own = there.state == write.state && there.phase == write.phase;
        match written {
            Some(1) if is_own => {
                self.row = there;
                Ok(Some(Written::Yes))
            }
            Some(0) if is_cancelled => {
                self.row.cancelled = true;
                self.row.revision = there.revision;
                Ok(Some(Written::Cancelled))
            }
            Some(0) => Ok(None),
            _ => Ok(Some(Written::Lost)),
        }
    }

    /// Events of the saga's life, in its stream.
    fn appends(&self, news: &[Draft]) -> Vec<Append> {
        let clock = &self.engine.clock;
        let now = clock.now();
        let event = |draft: &Draft| EventData {
            correlation: self.row.correlation,
            causation: self.row.causation,
            depth: self.row.depth,
            ..draft.clone().into_event(clock.new_id(), now)
        };
        let events: Vec<_> = news.iter().map(event).collect();
        let Some(first) = events.first() else { return Vec::new() };
        vec![Append { stream: first.stream.clone(), expected: Version::Any, events }]
    }
}
