//! What handlers returned and no attempt can publish: the events that they handled are dead.
//!
//! A handler may return an event for a stream that is closed for good. The store refuses the whole
//! progress then, and would do so for ever. So that event goes, with all else that its handler
//! returned for the same event, and the rest of the progress is written.

use std::mem;

use uuid::Uuid;

use super::{
    burial::{announcement, letter},
    job::{Job, Origin},
    spec::Spec,
    waiters::{Outcome, Subject},
};
use crate::{
    clock::Timestamp,
    delivery::{FailedAttempt, LetterChange, Reason},
    engine::Engine,
    error::Error,
    observe,
    store::{Append, Unit},
};

/// An event that was handled, and is dead because of what its handler returned.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) job: Job,
    pub(super) letter: Option<Uuid>,
}

impl Refused {
    pub(super) const fn outcome(&self) -> Outcome {
        match self.letter {
            Some(letter) => Outcome::Dead { letter },
            None => Outcome::Dropped,
        }
    }

    /// Whether this is what somebody waits for.
    pub(super) fn is_of(&self, subject: Subject) -> bool {
        self.job.subject() == subject
    }
}

/// Takes out of a progress what a closed stream refuses, and buries what caused it: `causes` are
/// the events whose handlers returned something.
pub(super) fn leave_out(
    engine: &Engine,
    spec: &Spec,
    unit: &mut Unit,
    causes: &mut Vec<Job>,
    stream: &str,
) -> Vec<Refused> {
    let is_refused = |job: &Job| {
        let mut its = unit.appends.iter().filter(|append| is_caused_by(append, job));
        its.any(|append| append.stream.as_str() == stream)
    };
    let (dead, kept): (Vec<_>, _) = mem::take(causes).into_iter().partition(is_refused);
    *causes = kept;
    unit.appends.retain(|append| {
        append.stream.as_str() != stream && !dead.iter().any(|job| is_caused_by(append, job))
    });
    let error = Error::Tombstone { stream: stream.to_owned() };
    tracing::error!(subscription = %spec.name, %error, dead = dead.len(),
        "what a handler returned cannot be published");
    let now = engine.clock.now();
    dead.into_iter().map(|job| bury(engine, spec, unit, job, &error, now)).collect()
}

fn is_caused_by(append: &Append, job: &Job) -> bool {
    append.events.iter().any(|event| event.causation == Some(job.event.event.id))
}

fn bury(
    engine: &Engine,
    spec: &Spec,
    unit: &mut Unit,
    mut job: Job,
    error: &Error,
    now: Timestamp,
) -> Refused {
    let errors = vec![error.to_string()];
    job.note(FailedAttempt { attempt: job.attempts.saturating_add(1), time: now, errors });
    let letter = match job.origin {
        Origin::Letter(id) => return_letter(unit, id, &job, now),
        Origin::Log | Origin::Row if spec.dead_letters => {
            Some(make_letter(engine, spec, unit, &job, now))
        }
        Origin::Log | Origin::Row => None,
    };
    let name = spec.name.to_string();
    match letter {
        Some(_) => {
            let reason = Reason::Permanent.as_str();
            metrics::counter!(observe::DEAD_LETTERS, "subscription" => name, "reason" => reason)
                .increment(1);
        }
        None => metrics::counter!(observe::DROPPED, "subscription" => name).increment(1),
    }
    Refused { job, letter }
}

/// The letter stays instead of being removed, unless an operator has removed it.
fn return_letter(unit: &mut Unit, id: Uuid, job: &Job, time: Timestamp) -> Option<Uuid> {
    let removal = unit.letters.iter_mut().find(|change| change.id() == id)?;
    let (attempts, failures) = (job.attempts, job.failures.clone());
    *removal = LetterChange::Return { id, reason: Reason::Permanent, attempts, failures, time };
    Some(id)
}

fn make_letter(engine: &Engine, spec: &Spec, unit: &mut Unit, job: &Job, now: Timestamp) -> Uuid {
    let letter = letter(&engine.clock, spec, job, Reason::Permanent, now);
    unit.appends.extend(announcement(spec, &letter, now).map(Append::one));
    let id = letter.id;
    // A unit of a subscription holds its progress and no other.
    unit.progress.iter_mut().take(1).for_each(|progress| progress.bury.push(letter.clone()));
    id
}
