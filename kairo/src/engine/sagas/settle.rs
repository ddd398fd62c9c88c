//! What follows in the stored state: from a decision, and from the end of an attempt.

use std::{num::NonZeroU32, time::Duration};

use super::{
    code::{Part, Plan},
    machine::Next,
    state::State,
};
use crate::{
    blueprint::Stored,
    clock::{Timestamp, after},
    handler::Class,
    journal::slot::{Slot, Undoing},
    retry::{RetryPolicy, Verdict},
};

/// For how long a failing compensation is tried again.
pub(crate) const UNDO_FOR: Duration = Duration::from_hours(24);

/// How a failing compensation is tried again in that time: 1 s, doubling to 5 min.
const UNDO_RETRY: RetryPolicy = RetryPolicy::new(u32::MAX)
    .backoff(Duration::from_secs(1))
    .exponential()
    .pause_max(Duration::from_mins(5))
    .jitter();

/// What an attempt ended with.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It brought this.
    Done(Stored),
    /// It did not.
    Missed { class: Class, errors: Vec<String> },
    /// It has happened, but what it returned cannot be kept.
    Unstorable(String),
    /// It did not run, because what it takes cannot be decoded.
    Undecodable(String),
    /// It was dropped where it was, because the process stops.
    GivenBack,
}

impl State {
    /// Makes of the state what follows from a decision; the levels of what begins are one above all
    /// that have begun before.
    pub(crate) fn decide(&mut self, next: &Next, now: Timestamp) {
        match next {
            Next::Fail(failure) => self.failure = Some(failure.clone()),
            Next::Park(why) => self.parked = Some(why.clone()),
            Next::Lose(index, errors) => self.change(*index, |slot| match slot {
                Slot::Running(running) => Slot::Unknown(running.unknown(errors.clone())),
                slot => slot,
            }),
            Next::Stick(index, errors) => self.change(*index, |slot| match begin_undo(slot, now) {
                Slot::Undoing(undoing) => Slot::Undoing(undoing.stick(errors.clone())),
                slot => slot,
            }),
            Next::Run(steps) => {
                let level = self.next_level();
                for index in steps {
                    self.change(*index, |slot| match slot {
                        Slot::Pending(pending) => Slot::Running(pending.start(level, now)),
                        Slot::Running(running) => Slot::Running(running.again()),
                        slot => slot,
                    });
                }
            }
            Next::Undo(steps) => {
                for index in steps {
                    self.change(*index, |slot| match slot {
                        Slot::Undoing(undoing) => Slot::Undoing(undoing.again()),
                        slot => begin_undo(slot, now),
                    });
                }
            }
            Next::Hook(_) => self.hook = self.hook.map(|tried| tried.saturating_add(1)),
            Next::Wait(_) | Next::End(_) | Next::Stuck(_) => {}
        }
    }

    /// Takes over what an attempt ended with.
    pub(crate) fn settle(
        &mut self,
        plan: &Plan,
        part: Part,
        outcome: Outcome,
        now: Timestamp,
        draw: u32,
    ) {
        match part {
            Part::Step(index) => self.settle_step(plan, index, outcome, now, draw),
            Part::Undo(index) => self.change(index, |slot| match slot {
                Slot::Undoing(undoing) => settle_undo(undoing, outcome, now, draw),
                slot => slot,
            }),
            Part::OnComplete | Part::OnError => match outcome {
                Outcome::Done(_) => self.hook = None,
                Outcome::GivenBack => self.hook = self.hook.map(|tried| tried.saturating_sub(1)),
                _ => {}
            },
        }
    }

    fn settle_step(
        &mut self,
        plan: &Plan,
        index: usize,
        outcome: Outcome,
        now: Timestamp,
        draw: u32,
    ) {
        if let Outcome::Undecodable(error) = &outcome {
            self.parked = Some(format!("step `{}` cannot run: {error}", plan.steps[index].name));
        }
        let policy = &plan.steps[index].retry;
        self.change(index, |slot| match slot {
            Slot::Running(running) => match outcome {
                Outcome::Done(output) => Slot::Done(running.done(output)),
                Outcome::Unstorable(error) => Slot::Unknown(running.unknown(vec![error])),
                Outcome::Undecodable(_) | Outcome::GivenBack => {
                    Slot::Running(running.give_back(now))
                }
                Outcome::Missed { class, errors } => {
                    let attempt = NonZeroU32::new(running.attempts.attempt);
                    match policy.verdict(class, attempt.unwrap_or(NonZeroU32::MIN), draw) {
                        Verdict::RetryInPlace(pause) | Verdict::RetryAfter(pause) => {
                            Slot::Running(running.wait(errors, after(now, pause)))
                        }
                        Verdict::Hopeless => Slot::Failed(running.failed(errors)),
                        Verdict::Exhausted => Slot::Unknown(running.unknown(errors)),
                    }
                }
            },
            slot => slot,
        });
    }

    /// Puts what `change` makes of a step's state in its place.
    pub(crate) fn change(
        &mut self,
        index: usize,
        change: impl FnOnce(Slot<Stored>) -> Slot<Stored>,
    ) {
        let changed = change(self.take(index));
        self.set(index, changed);
    }

    fn next_level(&self) -> u32 {
        let levels = self.slots().filter_map(|slot| match slot {
            Slot::Pending(_) | Slot::Skipped => None,
            Slot::Running(running) => Some(running.place.level),
            Slot::Done(done) => Some(done.place.level),
            Slot::Failed(failed) => Some(failed.place.level),
            Slot::Unknown(unknown) => Some(unknown.place.level),
            Slot::Undoing(undoing) => Some(undoing.place.level),
            Slot::Undone(undone) => Some(undone.place.level),
        });
        levels.max().map_or(1, |highest| highest.saturating_add(1))
    }
}

fn begin_undo(slot: Slot<Stored>, now: Timestamp) -> Slot<Stored> {
    match slot {
        Slot::Done(done) => Slot::Undoing(done.undo(now)),
        Slot::Unknown(unknown) => Slot::Undoing(unknown.undo(now)),
        slot => slot,
    }
}

fn settle_undo(
    undoing: Undoing<Stored>,
    outcome: Outcome,
    now: Timestamp,
    draw: u32,
) -> Slot<Stored> {
    match outcome {
        Outcome::Done(_) | Outcome::Unstorable(_) => Slot::Undone(undoing.undone()),
        Outcome::GivenBack => Slot::Undoing(undoing.give_back(now)),
        Outcome::Undecodable(error) => Slot::Undoing(undoing.stick(vec![error])),
        Outcome::Missed { class, errors } => {
            let attempt = NonZeroU32::new(undoing.attempts.attempt).unwrap_or(NonZeroU32::MIN);
            let is_late = after(undoing.attempts.since, UNDO_FOR) <= now;
            match UNDO_RETRY.verdict(class, attempt, draw) {
                Verdict::RetryInPlace(pause) | Verdict::RetryAfter(pause) if !is_late => {
                    Slot::Undoing(undoing.wait(errors, after(now, pause)))
                }
                _ => Slot::Undoing(undoing.stick(errors)),
            }
        }
    }
}
