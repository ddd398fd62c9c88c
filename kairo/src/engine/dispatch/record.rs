//! Recording: one commit for everything that has ended since the last one.

use std::{mem, sync::Arc, time::Duration};

use super::{
    ahead::begun,
    burial,
    job::Job,
    refused::{Refused, leave_out},
    runner::{Recording, Runner, UNSETTLED_MAX},
    spec::Spec,
    waiters::Outcome,
};
use crate::{
    clock::Timestamp,
    delivery::{LetterChange, Progress},
    engine::{Engine, trouble::Trouble},
    error::{Error, Result},
    store::Unit,
};

/// How many events that have ended are not kept waiting for others.
const ENOUGH: usize = UNSETTLED_MAX / 2;

/// The pauses after failed commits: from this, doubling, up to that.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often a commit is tried again once the bus is stopping; what is lost then repeats.
const TRIES_WHEN_STOPPING: u32 = 3;

impl Runner {
    /// Whether there is anything to write down.
    pub(super) fn is_dirty(&self) -> bool {
        0 < self.buffer.ended || self.buffer.urgent || self.scanned_since.is_some()
    }

    /// Whether a commit should begin before more events do, so that the two go on side by side.
    pub(super) fn is_enough_to_record(&self) -> bool {
        self.recording.is_none() && ENOUGH <= self.buffer.ended
    }

    /// Begins a commit, unless one is under way or waiting for more is better.
    pub(super) fn record_if_due(&mut self, now: Timestamp) {
        if self.recording.is_some() || !self.is_dirty() {
            return;
        }
        let is_due = self.buffer.urgent
            || self.stopping
            || self.suspects.any()
            || ENOUGH <= self.buffer.ended
            || self.record_due().is_some_and(|due| due <= now)
            // The clock has been set back.
            || self.buffer.since.is_some_and(|since| now < since);
        if is_due {
            self.record();
        }
    }

    fn record(&mut self) {
        let buffer = mem::take(&mut self.buffer);
        let checkpoint = self.ledger.checkpoint();
        self.scanned_since = None;
        self.recorded = self.ledger.read_to();
        let progress = Progress {
            subscription: self.spec.name.to_string(),
            epoch: self.epoch,
            checkpoint,
            park: buffer.park.into_values().collect(),
            unpark: buffer.unpark.into_iter().collect(),
            bury: buffer.bury,
            failure: buffer.failure,
        };
        let unit = Unit {
            letters: buffer.letters,
            appends: buffer.appends,
            ..Unit::of_progress(progress)
        };
        let (engine, spec) = (Arc::clone(&self.engine), Arc::clone(&self.spec));
        let commit = commit(engine, spec, self.writing.clone(), unit, buffer.causes);
        let commit = begun(Box::pin(commit));
        self.recording = Some(Recording { commit, ended: buffer.ended, reports: buffer.reports });
    }

    /// Takes note of a commit's end and tells those who waited for it.
    pub(super) fn recorded(&mut self, result: Result<Vec<Refused>>) -> Result {
        let Some(recording) = self.recording.take() else { return Ok(()) };
        let refused = result?;
        self.unsettled -= recording.ended;
        for (subject, outcome) in recording.reports {
            let dead = refused.iter().find(|refused| refused.is_of(subject));
            let outcome = match dead {
                Some(dead) if outcome == Outcome::Done => dead.outcome(),
                _ => outcome,
            };
            self.waiters.recorded(subject, outcome);
        }
        for Refused { job, letter } in refused {
            if let Some(letter) = letter.filter(|_| burial::holds_key(&self.spec)) {
                self.hold_key(&job, letter);
            }
        }
        Ok(())
    }
}

/// Commits a unit, however long the store is away; a lost claim ends it. What is returned is dead
/// because of what its handler returned, which no attempt could publish.
async fn commit(
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    trouble: Trouble,
    mut unit: Unit,
    mut causes: Vec<Job>,
) -> Result<Vec<Refused>> {
    let (mut pause, mut tries, mut dead) = (PAUSE_FIRST, 0, Vec::new());
    loop {
        let error = match engine.backend.commit(unit.clone()).await {
            Ok(_) => {
                trouble.end();
                return Ok(dead);
            }
            Err(Error::Tombstone { stream }) => {
                dead.extend(leave_out(&engine, &spec, &mut unit, &mut causes, &stream));
                continue;
            }
            Err(error @ (Error::Fenced { .. } | Error::Closed)) => return Err(error),
            // An operator has removed a letter in the meantime: the rest of the unit still holds.
            Err(Error::NotFound { .. } | Error::WrongState(_)) if !unit.letters.is_empty() => {
                match leave_out_gone(&engine, &mut unit.letters).await {
                    Ok(true) => continue,
                    Ok(false) => Error::WrongState("a letter has just changed".to_owned()),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tries += 1;
        trouble.note(&error);
        if *engine.stop.borrow() && TRIES_WHEN_STOPPING < tries {
            return Err(error);
        }
        tracing::warn!(%error, "progress cannot be written; it is tried again");
        engine.clock.sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

/// Leaves out changes of letters that have gone, or are not being reprocessed any more; whether
/// there were any.
async fn leave_out_gone(engine: &Engine, letters: &mut Vec<LetterChange>) -> Result<bool> {
    let mut kept = Vec::with_capacity(letters.len());
    for change in &*letters {
        let letter = engine.backend.letter(change.id()).await?;
        if letter.is_some_and(|letter| change.apply(letter).is_ok()) {
            kept.push(change.clone());
        }
    }
    let some_gone = kept.len() < letters.len();
    *letters = kept;
    Ok(some_gone)
}
