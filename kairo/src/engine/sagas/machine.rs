//! What a saga does next: a plain function of its plan, its state and the time.
//!
//! It goes forward while nothing has failed: every step begins once those that it follows are done.
//! Then it goes back: what still runs comes to its end, and what was done is undone level by level,
//! the last first. Nothing here reads a clock, touches a store, or runs anybody's code.

use std::{collections::HashSet, num::NonZeroU32};

use super::{
    code::{Part, Plan, UndoPlan},
    state::State,
};
use crate::{
    blueprint::{OnUnknown, Stored, Takes},
    clock::Timestamp,
    handler::Class,
    journal::{
        Phase,
        events::{Cause, SagaFailure},
        slot::Slot,
    },
    retry::Verdict,
};

/// How often a hook is tried.
const HOOK_ATTEMPTS_MAX: u32 = 3;

/// What a saga does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It does not go forward any more.
    Fail(SagaFailure),
    /// A step that began is not tried again, and nobody knows whether it has happened.
    Lose(usize, Vec<String>),
    /// A step cannot be undone.
    Stick(usize, Vec<String>),
    /// Attempts at these steps begin, side by side.
    Run(Vec<usize>),
    /// Attempts at undoing these steps begin, side by side.
    Undo(Vec<usize>),
    /// A hook runs.
    Hook(Part),
    /// Nothing, until an attempt ends or this time comes.
    Wait(Option<Timestamp>),
    /// It is over.
    End(Phase),
    /// A compensation has finally failed: somebody must decide.
    Stuck(usize),
    /// Nobody knows how to go on.
    Park(String),
}

/// What is known beside the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now<'a> {
    pub(crate) time: Timestamp,
    pub(crate) cancelled: bool,
    /// When the saga's time is up.
    pub(crate) deadline: Option<Timestamp>,
    /// What is running at the moment.
    pub(crate) in_flight: &'a HashSet<Part>,
}

impl Now<'_> {
    fn runs(&self, part: Part) -> bool {
        self.in_flight.contains(&part)
    }

    fn has_come(&self, due: Option<Timestamp>) -> bool {
        due.is_none_or(|due| due <= self.time)
    }
}

/// Decides what comes next.
pub(crate) fn next(plan: &Plan, state: &State, now: Now<'_>) -> Next {
    if let Some(why) = &state.parked {
        return Next::Park(why.clone());
    }
    match &state.failure {
        None => forward(plan, state, now),
        Some(_) => backward(plan, state, now),
    }
}

fn forward(plan: &Plan, state: &State, now: Now<'_>) -> Next {
    if state.slots().all(is_settled) {
        return end(plan, state, now, Phase::Completed);
    }
    if let Some(failure) = failure(state, now) {
        return Next::Fail(failure);
    }
    let mut ready = Vec::new();
    let mut wake = now.deadline;
    for (index, slot) in state.slots().enumerate() {
        match slot {
            Slot::Pending(_) if is_free(plan, state, index) => ready.push(index),
            Slot::Running(running) if !now.runs(Part::Step(index)) => {
                let attempts = &running.attempts;
                if attempts.due.is_none() && is_used_up(plan, index, attempts.attempt) {
                    return Next::Lose(index, vec![INTERRUPTED.to_owned()]);
                }
                if now.has_come(attempts.due) {
                    ready.push(index);
                } else {
                    wake = earlier(wake, attempts.due);
                }
            }
            _ => {}
        }
    }
    if ready.is_empty() { Next::Wait(wake) } else { Next::Run(ready) }
}

/// What is said of an attempt that never came to its end.
const INTERRUPTED: &str = "the process ended while the step ran";

const fn is_settled(slot: &Slot<Stored>) -> bool {
    matches!(slot, Slot::Done(_) | Slot::Skipped)
}

fn is_free(plan: &Plan, state: &State, index: usize) -> bool {
    plan.steps[index].after.iter().all(|before| is_settled(state.slot(*before)))
}

/// Whether the policy grants no attempt behind one that was interrupted.
fn is_used_up(plan: &Plan, index: usize, attempt: u32) -> bool {
    let Some(attempt) = NonZeroU32::new(attempt) else { return false };
    matches!(plan.steps[index].retry.verdict(Class::Retryable, attempt, 0), Verdict::Exhausted)
}

/// Why the saga goes no further, if it does not.
fn failure(state: &State, now: Now<'_>) -> Option<SagaFailure> {
    for (name, slot) in &state.steps {
        let errors = match slot {
            Slot::Failed(failed) => &failed.errors,
            Slot::Unknown(unknown) => &unknown.errors,
            _ => continue,
        };
        let (step, errors) = (Some(name.clone()), errors.clone());
        return Some(SagaFailure { cause: Cause::Failed, step, errors });
    }
    let because = |cause| Some(SagaFailure { cause, step: None, errors: Vec::new() });
    if now.cancelled {
        return because(Cause::Cancelled);
    }
    if now.deadline.is_some_and(|deadline| deadline <= now.time) {
        return because(Cause::Deadline);
    }
    None
}

fn backward(plan: &Plan, state: &State, now: Now<'_>) -> Next {
    let steps = || state.slots().enumerate();
    if steps().any(|(index, _)| now.runs(Part::Step(index))) {
        return Next::Wait(None);
    }
    for (index, slot) in steps() {
        if let Slot::Running(running) = slot {
            let mut errors = running.attempts.errors.clone();
            if errors.is_empty() {
                errors.push(INTERRUPTED.to_owned());
            }
            return Next::Lose(index, errors);
        }
    }
    let parks = |index: usize| plan.steps[index].on_unknown == OnUnknown::Park;
    if let Some((index, _)) =
        steps().find(|(index, slot)| matches!(slot, Slot::Unknown(_)) && parks(*index))
    {
        let step = plan.steps[index].name;
        return Next::Park(format!("nobody knows whether step `{step}` has happened"));
    }
    if !plan.rollback && !state.undo_anyway {
        return end(plan, state, now, Phase::Failed);
    }
    match steps().filter_map(|(index, slot)| level_to_undo(plan, index, slot)).max() {
        Some(level) => undo(plan, state, now, level),
        None => end(plan, state, now, Phase::Compensated),
    }
}

/// The level of a step that is still to be undone; what needs no compensation stays as it is.
fn level_to_undo(plan: &Plan, index: usize, slot: &Slot<Stored>) -> Option<u32> {
    match slot {
        _ if plan.steps[index].undo == UndoPlan::Nothing => None,
        Slot::Done(done) => Some(done.place.level),
        Slot::Unknown(unknown) => Some(unknown.place.level),
        Slot::Undoing(undoing) => Some(undoing.place.level),
        _ => None,
    }
}

/// Undoes a level, of which all steps began together.
fn undo(plan: &Plan, state: &State, now: Now<'_>, level: u32) -> Next {
    let (mut ready, mut wake, mut stuck) = (Vec::new(), None, None);
    let mut runs = false;
    let of_level =
        |(index, slot): &(usize, &Slot<Stored>)| level_to_undo(plan, *index, slot) == Some(level);
    for (index, slot) in state.slots().enumerate().filter(of_level) {
        match slot {
            Slot::Undoing(undoing) if undoing.stuck => stuck = Some(index),
            Slot::Undoing(_) if now.runs(Part::Undo(index)) => runs = true,
            Slot::Undoing(undoing) if now.has_come(undoing.attempts.due) => ready.push(index),
            Slot::Undoing(undoing) => wake = earlier(wake, undoing.attempts.due),
            slot => match plan.steps[index].undo {
                UndoPlan::By { takes: Takes::Output, .. } if slot.output().is_none() => {
                    return Next::Stick(index, without_output(plan, index, slot));
                }
                _ => ready.push(index),
            },
        }
    }
    match stuck {
        _ if !ready.is_empty() => Next::Undo(ready),
        _ if runs || wake.is_some() => Next::Wait(wake),
        Some(index) => Next::Stuck(index),
        None => Next::Wait(None),
    }
}

fn without_output(plan: &Plan, index: usize, slot: &Slot<Stored>) -> Vec<String> {
    let step = plan.steps[index].name;
    let mut errors = vec![format!(
        "nobody knows whether step `{step}` has happened, and its compensation cannot run without \
         its output"
    )];
    if let Slot::Unknown(unknown) = slot {
        errors.extend(unknown.errors.iter().cloned());
    }
    errors
}

/// The end, behind its hook.
fn end(plan: &Plan, state: &State, now: Now<'_>, phase: Phase) -> Next {
    let (wanted, hook) = match phase {
        Phase::Completed => (plan.on_complete, Part::OnComplete),
        _ => (plan.on_error, Part::OnError),
    };
    if now.runs(hook) {
        return Next::Wait(None);
    }
    match state.hook {
        Some(tried) if wanted && tried < HOOK_ATTEMPTS_MAX => Next::Hook(hook),
        _ => Next::End(phase),
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
