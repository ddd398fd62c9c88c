//! A saga as the store keeps it, and how it changes.

use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Where a saga is, as far as a store needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its steps run.
    Running,
    /// What its steps have done is being undone.
    Compensating,
    /// A compensation has finally failed: nothing goes on until somebody decides.
    Stuck,
    /// Nobody here knows how to go on: the code has changed, or an outcome stayed unknown.
    Parked,
    /// It ended well.
    Completed,
    /// It ended with everything undone.
    Compensated,
    /// It ended in the middle, and what was done stays.
    Failed,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Compensating,
        Self::Stuck,
        Self::Parked,
        Self::Completed,
        Self::Compensated,
        Self::Failed,
    ];

    /// Whether it goes on by itself.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Compensating)
    }

    /// Whether it is over.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated | Self::Failed)
    }

    /// The word for it, as stores and people write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Phase {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|phase| phase.word() == word);
        known.ok_or_else(|| {
            let allowed = Self::ALL.map(|phase| format!("`{}`", phase.word())).join(", ");
            Error::invalid("phase of a saga", word, format!("it is one of {allowed}"))
        })
    }
}

/// A saga as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaRow {
    /// Its id.
    pub id: Uuid,
    /// The name of its kind.
    pub saga: String,
    /// What it was started for; of one kind and key there is one saga.
    pub key: Option<String>,
    /// The fingerprint of the code that wrote the state.
    pub shape: u64,
    /// Where it is.
    pub phase: Phase,
    /// When it next has something to do; it counts while the phase is live.
    pub due: Timestamp,
    /// Whether somebody wants it to end.
    pub cancelled: bool,
    /// Who carries it on; nobody while it waits or has ended.
    pub owner: Option<Uuid>,
    /// Rises with every claim; 1 for whoever started it.
    pub epoch: u64,
    /// Rises with every change, from 1.
    pub revision: u64,
    /// What belongs together.
    pub correlation: Uuid,
    /// The event that started it.
    pub causation: Option<Uuid>,
    /// How many causes lie before it.
    pub depth: u32,
    /// When it was started.
    pub started: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// Everything else, as JSON; at most [`STATE_MAX`](super::STATE_MAX) bytes.
    pub state: Bytes,
}

impl SagaRow {
    /// Replaces what a write replaces.
    ///
    /// # Errors
    /// [`Error::SagaMoved`] when the write has not seen this row.
    pub(crate) fn write(&mut self, write: &SagaWrite) -> Result {
        if (write.epoch, write.revision) != (self.epoch, self.revision) {
            return Err(Error::SagaMoved { id: self.id });
        }
        self.shape = write.shape;
        self.phase = write.phase;
        self.due = write.due;
        self.changed = write.changed;
        self.state = write.state.clone();
        if !write.keeps_owner() {
            self.owner = None;
        }
        self.revision += 1;
        Ok(())
    }

    /// What whoever has seen this row writes when nothing is to change but the owner, who gives it back.
    pub(crate) fn unchanged(&self, now: Timestamp) -> SagaWrite {
        SagaWrite {
            id: self.id,
            epoch: self.epoch,
            revision: self.revision,
            shape: self.shape,
            phase: self.phase,
            due: self.due,
            changed: now,
            state: self.state.clone(),
            keep: false,
        }
    }

    /// Notes that somebody wants it to end.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it has ended, or waits for somebody to decide.
    pub(crate) fn cancel(&mut self, now: Timestamp) -> Result {
        if !self.phase.is_live() {
            return Err(Self::uncancellable(self.id, self.phase));
        }
        if !self.cancelled {
            self.cancelled = true;
            self.due = self.due.min(now);
            self.changed = now;
            self.revision += 1;
        }
        Ok(())
    }

    /// The error for cancelling a saga that is not live.
    pub(crate) fn uncancellable(id: Uuid, phase: Phase) -> Error {
        let word = phase.word();
        Error::WrongState(format!(
            "saga `{id}` is {word}: only one that is running or compensating can be cancelled"
        ))
    }
}

/// A change of a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SagaChange {
    /// A new saga, of revision 1.
    Start(SagaRow),
    /// A new state, from whoever has seen the last one.
    Write(SagaWrite),
    /// Somebody wants it to end.
    Cancel {
        /// The saga.
        id: Uuid,
        /// When they said so.
        now: Timestamp,
    },
}

impl SagaChange {
    /// The saga that changes.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Start(row) => row.id,
            Self::Write(write) => write.id,
            Self::Cancel { id, .. } => *id,
        }
    }
}

/// A saga's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaWrite {
    /// The saga.
    pub id: Uuid,
    /// The epoch that the writer has seen.
    pub epoch: u64,
    /// The revision that the writer has seen.
    pub revision: u64,
    /// As in [`SagaRow`].
    pub shape: u64,
    /// As in [`SagaRow`].
    pub phase: Phase,
    /// As in [`SagaRow`].
    pub due: Timestamp,
    /// As in [`SagaRow`].
    pub changed: Timestamp,
    /// As in [`SagaRow`].
    pub state: Bytes,
    /// Whether the owner stays; otherwise, and where the phase is not live, it is given back.
    pub keep: bool,
}

impl SagaWrite {
    /// Whether whoever has the saga has it from now on as well.
    #[must_use]
    pub const fn keeps_owner(&self) -> bool {
        self.keep && self.phase.is_live()
    }
}

/// Which sagas are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaFilter {
    /// Of one kind.
    pub saga: Option<String>,
    /// The one of this key.
    pub key: Option<String>,
    /// In one of these phases; none means any.
    pub phases: Vec<Phase>,
    /// Started at this time or later.
    pub from: Option<Timestamp>,
    /// Started before this time.
    pub until: Option<Timestamp>,
    /// Behind the saga that was started at this time and has this id.
    pub after: Option<(Timestamp, Uuid)>,
    /// The most sagas to answer.
    pub limit: usize,
}

impl Default for SagaFilter {
    fn default() -> Self {
        Self {
            saga: None,
            key: None,
            phases: Vec::new(),
            from: None,
            until: None,
            after: None,
            limit: 100,
        }
    }
}

impl SagaFilter {
    /// Whether a saga passes, the limit aside.
    #[must_use]
    pub fn has(&self, row: &SagaRow) -> bool {
        self.saga.as_ref().is_none_or(|saga| *saga == row.saga)
            && self.key.as_ref().is_none_or(|key| row.key.as_ref() == Some(key))
            && (self.phases.is_empty() || self.phases.contains(&row.phase))
            && self.from.is_none_or(|from| from <= row.started)
            && self.until.is_none_or(|until| row.started < until)
            && self.after.is_none_or(|after| after < (row.started, row.id))
    }
}
