//! How a saga ended, or why it waits.

use std::{error::Error as StdError, fmt};

use super::{Saga, SagaStep, storable::Storable};
use crate::{
    blueprint::Stored,
    engine::sagas::{code::Plan, state::State},
    error::{Error, Result},
    journal::{Phase, SagaRow, events::Cause, slot::Slot},
};

/// How a saga ended, or why it waits for somebody to decide.
#[must_use = "a saga may have ended with everything undone"]
pub enum Outcome<S: Saga> {
    /// Every step is done; this is what it returns.
    Completed(S::Output),
    /// It did not come to its end, and whatever it had done is undone.
    Compensated {
        /// Why it went back.
        cause: Cause,
        /// Which step failed, and with what.
        error: SagaError<S>,
        /// The steps that had an effect and have none any more, in the order of their declaration.
        undone: Vec<S::Step>,
    },
    /// It did not come to its end, and what it had done stays (`rollback_on_failure = false`).
    Failed {
        /// Why it went no further.
        cause: Cause,
        /// Which step failed, and with what.
        error: SagaError<S>,
        /// The steps whose effects stay.
        done: Vec<S::Step>,
    },
    /// A compensation has finally failed: nothing goes on until somebody
    /// [decides](crate::saga::Sagas).
    Stuck {
        /// The step that could not be undone.
        step: S::Step,
        /// What its compensation failed with, outermost first.
        errors: Vec<String>,
        /// What made the saga go back, and what is done and undone by now.
        error: SagaError<S>,
    },
    /// Nobody knows how to go on: an outcome stayed unknown, the state cannot be read, or it was
    /// written by code of another shape.
    Parked {
        /// Why.
        reason: String,
    },
}

impl<S: Saga> Outcome<S> {
    /// What it returns, or why it returns nothing.
    ///
    /// # Errors
    /// [`SagaError`] for every outcome but [`Completed`](Self::Completed).
    pub fn completed(self) -> Result<S::Output, SagaError<S>> {
        match self {
            Self::Completed(output) => Ok(output),
            Self::Compensated { error, .. }
            | Self::Failed { error, .. }
            | Self::Stuck { error, .. } => Err(error),
            Self::Parked { reason } => Err(SagaError::parked(reason)),
        }
    }

    /// Whether every step is done.
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self, Self::Completed(_))
    }
}

impl<S: Saga<Output: fmt::Debug>> fmt::Debug for Outcome<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(output) => f.debug_tuple("Completed").field(output).finish(),
            Self::Compensated { cause, error, undone } => f
                .debug_struct("Compensated")
                .field("cause", cause)
                .field("error", error)
                .field("undone", undone)
                .finish(),
            Self::Failed { cause, error, done } => f
                .debug_struct("Failed")
                .field("cause", cause)
                .field("error", error)
                .field("done", done)
                .finish(),
            Self::Stuck { step, errors, error } => f
                .debug_struct("Stuck")
                .field("step", step)
                .field("errors", errors)
                .field("error", error)
                .finish(),
            Self::Parked { reason } => f.debug_struct("Parked").field("reason", reason).finish(),
        }
    }
}

/// Why a saga returned nothing, and what has become of each of its steps.
#[derive(Clone, PartialEq, Eq)]
pub struct SagaError<S: Saga> {
    /// The phase in which it is.
    pub phase: Phase,
    /// Why it went back; `None` where nobody knows how to go on.
    pub cause: Option<Cause>,
    /// The step that failed, where one did.
    pub failed: Option<S::Step>,
    /// What can be said about it, outermost first.
    pub errors: Vec<String>,
    /// The steps that are done and not undone, or of which nobody knows.
    pub done: Vec<S::Step>,
    /// The steps whose effects are undone.
    pub undone: Vec<S::Step>,
    /// The steps that never began, or were skipped.
    pub not_attempted: Vec<S::Step>,
}

impl<S: Saga> SagaError<S> {
    fn parked(reason: String) -> Self {
        Self {
            phase: Phase::Parked,
            cause: None,
            failed: None,
            errors: vec![reason],
            done: Vec::new(),
            undone: Vec::new(),
            not_attempted: Vec::new(),
        }
    }

    fn of(phase: Phase, state: &State) -> Self {
        let steps = |wanted: fn(&Slot<Stored>) -> bool| {
            let of_kind = state.steps.iter().filter(move |(_, slot)| wanted(slot));
            of_kind.filter_map(|(name, _)| S::Step::of_name(name)).collect()
        };
        let failure = state.failure.as_ref();
        let step = failure.and_then(|failure| failure.step.as_deref());
        Self {
            phase,
            failed: step.and_then(S::Step::of_name),
            errors: failure.map(|failure| failure.errors.clone()).unwrap_or_default(),
            cause: failure.map(|failure| failure.cause),
            done: steps(|slot| {
                matches!(
                    slot,
                    Slot::Done(_) | Slot::Unknown(_) | Slot::Undoing(_) | Slot::Running(_)
                )
            }),
            undone: steps(|slot| matches!(slot, Slot::Undone(_))),
            not_attempted: steps(|slot| matches!(slot, Slot::Pending(_) | Slot::Skipped)),
        }
    }
}

impl<S: Saga> fmt::Debug for SagaError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, cause, failed, errors, done, undone, not_attempted } = self;
        f.debug_struct("SagaError")
            .field("phase", phase)
            .field("cause", cause)
            .field("failed", failed)
            .field("errors", errors)
            .field("done", done)
            .field("undone", undone)
            .field("not_attempted", not_attempted)
            .finish()
    }
}

impl<S: Saga> fmt::Display for SagaError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga `{}` is {}: ", S::NAME, self.phase.word())?;
        match (self.failed, self.cause) {
            (Some(step), _) => {
                write!(f, "step `{}` failed: {}", step.name(), self.errors.join(": "))
            }
            (None, Some(Cause::Cancelled)) => f.write_str("it was cancelled"),
            (None, Some(Cause::Deadline)) => f.write_str("its time was up"),
            (None, Some(Cause::Failed) | None) => f.write_str(&self.errors.join(": ")),
        }
    }
}

impl<S: Saga> StdError for SagaError<S> {}

/// The outcome of a saga that goes no further by itself.
pub(super) fn of<S: Saga>(plan: &Plan, row: &SagaRow) -> Result<Outcome<S>> {
    let state = match State::read(&row.state) {
        Ok(state) => state,
        Err(error) if row.phase == Phase::Parked => {
            return Ok(Outcome::Parked { reason: error.to_string() });
        }
        Err(error) => return Err(error),
    };
    let error = SagaError::<S>::of(row.phase, &state);
    let cause = state.failure.as_ref().map_or(Cause::Failed, |failure| failure.cause);
    Ok(match row.phase {
        Phase::Completed => Outcome::Completed(output::<S>(plan, &state)?),
        Phase::Compensated => Outcome::Compensated { cause, undone: error.undone.clone(), error },
        Phase::Failed => Outcome::Failed { cause, done: error.done.clone(), error },
        Phase::Stuck => stuck(&state, error)?,
        Phase::Parked => Outcome::Parked { reason: reason(state) },
        Phase::Running | Phase::Compensating => {
            return Err(Error::Saga(format!("saga `{}` has not ended", row.id)));
        }
    })
}

fn reason(state: State) -> String {
    state.parked.unwrap_or_else(|| "its state cannot be read by this code".to_owned())
}

fn stuck<S: Saga>(state: &State, error: SagaError<S>) -> Result<Outcome<S>> {
    let stuck = state.stuck();
    let step = stuck.and_then(|(step, _)| S::Step::of_name(step));
    let step = step.ok_or_else(|| {
        Error::Saga(format!("saga `{}` is stuck at a step that this code does not have", S::NAME))
    })?;
    let errors = stuck.map(|(_, errors)| errors.to_vec()).unwrap_or_default();
    Ok(Outcome::Stuck { step, errors, error })
}

fn output<S: Saga>(plan: &Plan, state: &State) -> Result<S::Output> {
    let name = plan.steps.get(plan.output).map(|step| step.name);
    let slot = state.steps.iter().find(|(step, _)| Some(step.as_str()) == name);
    let output = slot.and_then(|(_, slot)| slot.output());
    let output = output.ok_or_else(|| {
        Error::Saga(format!("saga `{}` has completed without an output", S::NAME))
    })?;
    Storable::of_stored(output).map_err(|error| {
        Error::Saga(format!("the output of the saga cannot be decoded any more: {error}"))
    })
}
