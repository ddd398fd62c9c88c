//! Settling: one `match` arm for each way in which a delivery ends.

use std::time::Duration;

use uuid::Uuid;

use super::{
    burial,
    deliver::{End, Ended},
    job::{Job, Origin},
    runner::Runner,
    waiters::{Outcome, Subject},
};
use crate::{
    clock::{Timestamp, after},
    delivery::{FailedAttempt, LetterChange, ParkedState, Reason},
    event::record::EventData,
    observe,
};

/// What the state of a parked event tells those who wait for it.
pub(crate) const fn outcome_of(state: ParkedState) -> Option<Outcome> {
    match state {
        ParkedState::Retry { due } => Some(Outcome::Retrying { until: due }),
        ParkedState::Newer => Some(Outcome::Newer),
        ParkedState::Behind => Some(Outcome::Behind),
        ParkedState::Alone { .. } => None,
    }
}

impl Runner {
    /// Takes note of a delivery's end. It was there by `now`, or the events that start together
    /// with it are: only a failure needs a time of its own, and reading the clock costs something.
    pub(super) fn settle(&mut self, ended: Ended, now: Timestamp) {
        let Ended { job, end, failed, .. } = ended;
        let is_smooth = matches!(end, End::Done(_)) && failed == 0;
        let now = if is_smooth { now } else { self.engine.clock.now() };
        self.watch_circuit(failed, matches!(end, End::Done(_)), now);
        self.buffer.ended += 1;
        self.buffer.since.get_or_insert(now);
        let has_row = self.suspects.left_row(job.event.position) || job.counted;
        if has_row && job.origin != Origin::Row {
            self.buffer.unpark(job.event.position);
        }
        if let Origin::Letter(id) = job.origin
            && self.replays.ran(id)
        {
            return self.letter_gone(&job, id, end);
        }
        if matches!(end, End::Retry(_) | End::Dead(_)) {
            self.buffer.failure = job.failures.last().cloned().or(self.buffer.failure.take());
        }
        match end {
            End::Done(events) => self.done(&job, events),
            End::Retry(pause) => self.retry(&job, now, pause),
            End::Newer => self.newer(&job, now),
            // A letter is never dropped: it was kept when it was made.
            End::Dead(reason) => match job.origin {
                Origin::Letter(id) => {
                    self.return_letter(&job, id, reason, job.failures.clone(), now);
                }
                _ if self.spec.dead_letters => self.dead(&job, reason, now),
                _ => self.dropped(&job, reason),
            },
            // It stays unfinished, and is read again after the restart.
            End::GivenBack => self.given_back(&job, now),
        }
    }

    /// Tells the circuit breaker, and those who wait when it opens.
    fn watch_circuit(&mut self, failed: u32, succeeded: bool, now: Timestamp) {
        let before = self.circuit.open_until();
        self.circuit.record(failed, succeeded, now);
        let Some(until) = self.circuit.open_until().filter(|_| before.is_none()) else { return };
        tracing::warn!(subscription = %self.spec.name, %until,
            "most attempts fail: nothing new begins until then");
        self.waiters.resolve_all(Outcome::Paused);
    }

    fn done(&mut self, job: &Job, events: Vec<EventData>) {
        self.processed.increment(1);
        let plain = events.is_empty() && job.origin == Origin::Log && !job.counted;
        self.buffer.append_effects(job, events);
        if plain {
            self.waiters.resolve(Subject::Event(job.event.position), Outcome::Done);
        } else {
            self.report(job, Outcome::Done);
        }
        match job.origin {
            Origin::Log | Origin::Row => self.finish(job),
            Origin::Letter(id) => {
                self.buffer.change(LetterChange::Remove { id });
                self.end_replay(id);
            }
        }
    }

    /// A letter was removed while it ran: what it published stays, and nothing else follows.
    fn letter_gone(&mut self, job: &Job, id: Uuid, end: End) {
        if let End::Done(events) = end {
            self.buffer.append_effects(job, events);
        }
        self.report(job, Outcome::Dropped);
        self.end_replay(id);
    }

    fn retry(&mut self, job: &Job, now: Timestamp, pause: Duration) {
        metrics::counter!(observe::RETRIES, "subscription" => self.spec.name.to_string())
            .increment(1);
        let due = after(now, pause);
        self.report(job, Outcome::Retrying { until: due });
        match job.origin {
            Origin::Log | Origin::Row => self.park(job, ParkedState::Retry { due }),
            Origin::Letter(id) => {
                let (attempts, failures) = (job.attempts, job.failures.clone());
                self.replays.retry(id, attempts, failures.clone(), due);
                self.buffer.change(LetterChange::Retry { id, attempts, failures, due });
            }
        }
    }

    fn newer(&mut self, job: &Job, now: Timestamp) {
        let event = &job.event.event;
        let (name, schema) = (event.name.as_str(), event.schema);
        tracing::warn!(subscription = %self.spec.name, name, schema, "the event is newer than this binary");
        match job.origin {
            Origin::Log | Origin::Row => {
                self.report(job, Outcome::Newer);
                self.park(job, ParkedState::Newer);
            }
            Origin::Letter(id) => {
                let mut failures = job.failures.clone();
                let errors = vec!["the event is newer than this binary".to_owned()];
                failures.push(FailedAttempt { attempt: job.attempts + 1, time: now, errors });
                self.return_letter(job, id, Reason::Undecodable, failures, now);
            }
        }
    }

    /// Leaves a row for an event that waits, and parks the later ones of its key behind it.
    fn park(&mut self, job: &Job, state: ParkedState) {
        let row = job.parked(state);
        self.buffer.park(row.clone());
        self.parking.park(row);
        self.ledger.finish(job.event.position);
        self.park_key(job);
        if self.parking.is_full() {
            tracing::warn!(subscription = %self.spec.name, parked = self.parking.len(),
                "too many events wait for a retry: nothing more is read until some are through");
            self.waiters.resolve_all(Outcome::Paused);
        }
    }

    /// Makes later events of a key wait for a letter.
    pub(super) fn hold_key(&mut self, job: &Job, letter: Uuid) {
        self.parking.hold(job.key().as_str(), letter);
        self.view.send_modify(|view| view.has_letters = true);
        self.park_key(job);
    }

    fn park_key(&mut self, job: &Job) {
        for behind in self.lanes.take_key(job.key()) {
            self.park_behind(behind);
        }
    }

    fn dead(&mut self, job: &Job, reason: Reason, now: Timestamp) {
        let letter = burial::letter(&self.engine.clock, &self.spec, job, reason, now);
        let (id, name) = (letter.id, self.spec.name.to_string());
        metrics::counter!(observe::DEAD_LETTERS, "subscription" => name, "reason" => reason.as_str())
            .increment(1);
        tracing::error!(subscription = %self.spec.name, letter = %id, %reason, error = letter.error(),
            "an event is dead");
        if let Some(announcement) = burial::announcement(&self.spec, &letter, now) {
            self.buffer.append(announcement);
        }
        if letter.holds_key {
            self.hold_key(job, id);
        }
        self.buffer.bury(letter);
        self.report(job, Outcome::Dead { letter: id });
        self.finish(job);
    }

    fn return_letter(
        &mut self,
        job: &Job,
        id: Uuid,
        reason: Reason,
        failures: Vec<FailedAttempt>,
        time: Timestamp,
    ) {
        let attempts = job.attempts;
        self.buffer.change(LetterChange::Return { id, reason, attempts, failures, time });
        self.report(job, Outcome::Dead { letter: id });
        self.replays.end(id);
    }

    fn dropped(&mut self, job: &Job, reason: Reason) {
        let name = self.spec.name.to_string();
        metrics::counter!(observe::DROPPED, "subscription" => name).increment(1);
        let error = job.failures.last().map_or("", |failed| failed.errors[0].as_str());
        tracing::error!(subscription = %self.spec.name, event = %job.event.event.id, %reason, error,
            "an event is dropped, because dead letters are off");
        self.report(job, Outcome::Dropped);
        self.finish(job);
    }

    /// Keeps the attempts that were made; otherwise everything is as if it had not begun.
    fn given_back(&mut self, job: &Job, now: Timestamp) {
        self.stopping = true;
        tracing::debug!(subscription = %self.spec.name, event = %job.event.event.id, "given back");
        if 0 < job.attempts {
            self.retry(job, now, Duration::ZERO);
        } else if job.origin == Origin::Row
            && let Some(row) = self.parking.get(job.event.position)
        {
            self.buffer.park(row.clone());
        }
    }

    /// Lets the next event of the key have its turn.
    fn finish(&mut self, job: &Job) {
        if job.origin == Origin::Row {
            self.buffer.unpark(job.event.position);
            self.parking.unpark(job.event.position);
        } else {
            self.ledger.finish(job.event.position);
            self.lanes.release(job.key());
        }
    }

    fn end_replay(&mut self, id: Uuid) {
        self.replays.end(id);
        self.parking.let_go(id);
    }

    fn report(&mut self, job: &Job, outcome: Outcome) {
        let subject = job.subject();
        self.waiters.hold_back(subject);
        self.buffer.reports.push((subject, outcome));
    }
}
