//! What people decide about a saga that goes no further by itself.

use super::{code::Plan, state::State};
use crate::{
    blueprint::Stored,
    clock::Timestamp,
    error::{Error, Result},
    journal::{
        Phase, SagaRow,
        events::{Cause, SagaFailure},
        slot::Slot,
    },
};

/// What somebody wants of a saga.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    /// Try again what it stopped at.
    Retry,
    /// Try again, as if the step had returned this; or as if the saga had been started with it.
    RetryWith(Stored),
    /// Go on as if the compensation had succeeded, for this reason.
    Skip(String),
    /// Give up going back, and go forward again.
    Resume,
    /// Undo what was left as it was.
    Compensate,
}

impl Verb {
    const fn word(&self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::RetryWith(_) => "retried with another value",
            Self::Skip(_) => "skipped",
            Self::Resume => "resumed",
            Self::Compensate => "compensated",
        }
    }
}

impl State {
    /// Does what somebody wants, and says in which phase the saga is then. Without a plan, which only
    /// the saga's own process has, it is not known whether the steps still fit.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the saga is not in a state that the verb is for.
    pub(crate) fn steer(&mut self, row: &SagaRow, verb: &Verb, now: Timestamp) -> Result<Phase> {
        match (verb, row.phase) {
            (Verb::Retry, Phase::Stuck) => self.retry(now),
            (Verb::RetryWith(output), Phase::Stuck) => self.retry_with(output, now),
            (Verb::Skip(reason), Phase::Stuck) => self.skip(reason),
            (Verb::Resume, Phase::Stuck) => self.resume(now),
            (Verb::Retry, Phase::Parked) => self.parked = None,
            (Verb::Resume, Phase::Parked) => {
                self.parked = None;
                self.resume(now);
            }
            (Verb::RetryWith(input), Phase::Parked) => {
                self.parked = None;
                self.input = input.clone();
            }
            (Verb::Compensate, Phase::Parked | Phase::Failed) => self.compensate(now),
            _ => return Err(refused(row, verb)),
        }
        self.hook = Some(0);
        Ok(self.live_phase())
    }

    fn retry(&mut self, now: Timestamp) {
        self.change_stuck(|slot| match slot {
            Slot::Undoing(undoing) => Slot::Undoing(undoing.retry(now)),
            slot => slot,
        });
    }

    fn retry_with(&mut self, output: &Stored, now: Timestamp) {
        self.change_stuck(|slot| match slot {
            Slot::Undoing(undoing) => Slot::Undoing(undoing.retry_with(output.clone(), now)),
            slot => slot,
        });
    }

    fn skip(&mut self, reason: &str) {
        self.change_stuck(|slot| match slot {
            Slot::Undoing(undoing) => Slot::Undone(undoing.skip(reason.to_owned())),
            slot => slot,
        });
    }

    /// What is undone begins anew, what failed too, and what nobody knows is tried again under its
    /// old key.
    fn resume(&mut self, now: Timestamp) {
        self.failure = None;
        for index in 0..self.steps.len() {
            self.change(index, |slot| match slot {
                Slot::Undoing(undoing) => undoing.forward(now),
                Slot::Undone(undone) => Slot::Pending(undone.anew()),
                Slot::Failed(failed) => Slot::Pending(failed.anew()),
                Slot::Unknown(unknown) => Slot::Running(unknown.again(now)),
                slot => slot,
            });
        }
    }

    /// What nobody knows is undone in case it has happened.
    fn compensate(&mut self, now: Timestamp) {
        self.parked = None;
        self.undo_anyway = true;
        let cancelled = SagaFailure { cause: Cause::Cancelled, step: None, errors: Vec::new() };
        self.failure.get_or_insert(cancelled);
        for index in 0..self.steps.len() {
            self.change(index, |slot| match slot {
                Slot::Unknown(unknown) => Slot::Undoing(unknown.undo(now).retry(now)),
                slot => slot,
            });
        }
    }

    fn change_stuck(&mut self, change: impl Fn(Slot<Stored>) -> Slot<Stored>) {
        for index in 0..self.steps.len() {
            if matches!(self.slot(index), Slot::Undoing(undoing) if undoing.stuck) {
                self.change(index, &change);
            }
        }
    }
}

fn refused(row: &SagaRow, verb: &Verb) -> Error {
    let (id, phase, verb) = (row.id, row.phase.word(), verb.word());
    Error::WrongState(format!("saga `{id}` is {phase}, so it cannot be {verb}"))
}

/// Whether a saga of a plan can be carried on from a state.
///
/// # Errors
/// Why it cannot.
pub(crate) fn check_fits(plan: &Plan, row: &SagaRow, state: &State) -> Result<(), String> {
    if row.shape == plan.shape && state.fits(plan) {
        return Ok(());
    }
    Err(format!(
        "it was written by code of another shape, {:016x}, and this code has {:016x}: add \
         `#[migrate(from = \"{:016x}\")]`, or run the code that began it",
        row.shape, plan.shape, row.shape
    ))
}
