//! What a subscription has achieved and not written down yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    job::Job,
    waiters::{Outcome, Subject},
};
use crate::{
    clock::Timestamp,
    delivery::{DeadLetter, FailedAttempt, LetterChange, Parked},
    event::record::EventData,
    store::{Append, Position},
};

/// The next progress of a subscription, as it gathers.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) park: BTreeMap<Position, Parked>,
    pub(super) unpark: BTreeSet<Position>,
    pub(super) bury: Vec<DeadLetter>,
    /// The failure of the event that failed last.
    pub(super) failure: Option<FailedAttempt>,
    pub(super) letters: Vec<LetterChange>,
    pub(super) appends: Vec<Append>,
    /// The events whose handlers returned some of that.
    pub(super) causes: Vec<Job>,
    /// What waiters hear once all of this is durable.
    pub(super) reports: Vec<(Subject, Outcome)>,
    /// How many started events it settles.
    pub(super) ended: usize,
    /// When the first of them ended.
    pub(super) since: Option<Timestamp>,
    /// Whether it holds anything that should not wait for more.
    pub(super) urgent: bool,
}

impl Buffer {
    pub(super) fn park(&mut self, row: Parked) {
        self.unpark.remove(&row.position);
        self.park.insert(row.position, row);
        self.urgent = true;
    }

    pub(super) fn unpark(&mut self, position: Position) {
        self.park.remove(&position);
        self.unpark.insert(position);
        self.urgent = true;
    }

    pub(super) fn bury(&mut self, letter: DeadLetter) {
        self.bury.push(letter);
        self.urgent = true;
    }

    pub(super) fn change(&mut self, change: LetterChange) {
        self.letters.push(change);
        self.urgent = true;
    }

    /// Publishes what the handler of an event returned.
    pub(super) fn append_effects(&mut self, job: &Job, events: Vec<EventData>) {
        if events.is_empty() {
            return;
        }
        self.causes.push(job.clone());
        for event in events {
            self.append(event);
        }
    }

    pub(super) fn append(&mut self, event: EventData) {
        self.appends.push(Append::one(event));
        self.urgent = true;
    }
}
