//! Who waits for the outcome of an event in this subscription.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{clock::Timestamp, store::Position};

/// The most outcomes other than "done" that are remembered for late questions.
const RECENT_MAX: usize = 10_000;

/// What became of an event in one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler is done with it, or its filter left it out.
    Done,
    /// An attempt failed, and another follows.
    Retrying {
        /// When.
        until: Timestamp,
    },
    /// It waits behind an earlier event of its key that failed.
    Behind,
    /// Only a newer binary can read the event; it waits, and so do later ones of its key.
    Newer,
    /// It is a dead letter.
    Dead {
        /// The letter.
        letter: Uuid,
    },
    /// It is dead and leaves no letter: dead letters are off, or somebody has removed it or its
    /// stream.
    Dropped,
    /// The subscription has stopped: it was unsubscribed, taken over, or its store failed.
    Stopped,
    /// Nothing has happened yet: the subscription is paused, by hand or because most attempts
    /// failed or too many events wait for a retry.
    Paused,
}

impl Outcome {
    /// Whether nothing more follows by itself.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Dead { .. } | Self::Dropped)
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// An event of the log.
    Event(Position),
    /// A dead letter that is being reprocessed.
    Letter(Uuid),
}

/// A question for an outcome.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Whether an outcome that something follows is not enough.
    pub(crate) settled: bool,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Waiter {
    const fn takes(&self, outcome: Outcome) -> bool {
        outcome.is_settled() || !self.settled
    }
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: HashMap<Subject, Vec<Waiter>>,
    /// Outcomes that are known and not durable yet.
    unrecorded: HashMap<Subject, u32>,
    /// Dead and dropped events, for those who ask late.
    recent: BTreeMap<Position, Outcome>,
    /// How letters that were reprocessed ended last, for those who ask late.
    replayed: BTreeMap<Uuid, Outcome>,
}

impl Waiters {
    /// Keeps a question until its outcome is known.
    pub(super) fn wait(&mut self, subject: Subject, waiter: Waiter) {
        let waiters = self.waiting.entry(subject).or_default();
        waiters.retain(|waiter| !waiter.reply.is_closed());
        waiters.push(waiter);
    }

    /// Answers everybody to whom this outcome is an answer.
    pub(super) fn resolve(&mut self, subject: Subject, outcome: Outcome) {
        if let Subject::Event(position) = subject
            && outcome.is_settled()
            && outcome != Outcome::Done
        {
            self.recent.insert(position, outcome);
            if RECENT_MAX < self.recent.len() {
                self.recent.pop_first();
            }
        }
        if let Subject::Letter(letter) = subject
            && outcome.is_settled()
        {
            self.replayed.insert(letter, outcome);
            if RECENT_MAX < self.replayed.len() {
                self.replayed.pop_first();
            }
        }
        if self.waiting.is_empty() {
            return;
        }
        let Some(waiters) = self.waiting.remove(&subject) else { return };
        let (answered, kept): (Vec<_>, Vec<_>) =
            waiters.into_iter().partition(|waiter| waiter.takes(outcome));
        if !kept.is_empty() {
            self.waiting.insert(subject, kept);
        }
        for waiter in answered {
            // Whoever asked may have gone.
            let _ = waiter.reply.send(outcome);
        }
    }

    /// Answers everybody who does not insist on a settled outcome.
    pub(super) fn resolve_all(&mut self, outcome: Outcome) {
        let subjects: Vec<_> = self.waiting.keys().copied().collect();
        for subject in subjects {
            self.resolve(subject, outcome);
        }
    }

    /// Notes that an outcome is known, but must become durable before anybody hears of it.
    pub(super) fn hold_back(&mut self, subject: Subject) {
        *self.unrecorded.entry(subject).or_default() += 1;
    }

    /// Says an outcome that has become durable.
    pub(super) fn recorded(&mut self, subject: Subject, outcome: Outcome) {
        if let Some(count) = self.unrecorded.get_mut(&subject) {
            *count -= 1;
            if *count == 0 {
                self.unrecorded.remove(&subject);
            }
        }
        self.resolve(subject, outcome);
    }

    pub(super) fn is_held_back(&self, subject: Subject) -> bool {
        self.unrecorded.contains_key(&subject)
    }

    pub(super) fn replayed(&self, letter: Uuid) -> Option<Outcome> {
        self.replayed.get(&letter).copied()
    }

    pub(super) fn recent(&self, position: Position) -> Option<Outcome> {
        self.recent.get(&position).copied()
    }
}
