//! Dead letters that are being reprocessed: one of a key at a time, in the order they came in.

use std::collections::{BTreeSet, HashMap, VecDeque};

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    delivery::{DeadLetter, FailedAttempt, LetterState},
    store::Position,
};

/// The letters that a subscription is to deliver again.
#[derive(Debug, Default)]
pub(super) struct Replays {
    letters: HashMap<Uuid, DeadLetter>,
    keys: HashMap<String, VecDeque<Uuid>>,
    due: BTreeSet<(Timestamp, Uuid)>,
    /// The letters that run, and whether each has been removed in the meantime.
    running: HashMap<Uuid, bool>,
}

impl Replays {
    /// Takes a letter in, behind the others of its key.
    pub(super) fn offer(&mut self, letter: DeadLetter) {
        let LetterState::Replaying { due } = letter.state else { return };
        if self.letters.contains_key(&letter.id) {
            return;
        }
        let queue = self.keys.entry(letter.original.stream.to_string()).or_default();
        queue.push_back(letter.id);
        if queue.len() == 1 {
            self.due.insert((due, letter.id));
        }
        self.letters.insert(letter.id, letter);
    }

    /// The next letter whose turn it is; it stays until [`end`](Self::end).
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<&DeadLetter> {
        let (due, id) = self.due.first().copied()?;
        if now < due {
            return None;
        }
        self.due.pop_first();
        self.running.insert(id, false);
        self.letters.get(&id)
    }

    /// Notes that a letter has been removed; false when it does not run.
    pub(super) fn mark_gone(&mut self, id: Uuid) -> bool {
        self.running.get_mut(&id).map(|gone| *gone = true).is_some()
    }

    /// Notes that a letter's run has ended; whether it was removed in the meantime.
    pub(super) fn ran(&mut self, id: Uuid) -> bool {
        self.running.remove(&id).unwrap_or(false)
    }

    /// Lets a letter wait for its next attempt, with what has failed so far.
    pub(super) fn retry(
        &mut self,
        id: Uuid,
        attempts: u32,
        failures: Vec<FailedAttempt>,
        due: Timestamp,
    ) {
        let Some(letter) = self.letters.get_mut(&id) else { return };
        letter.attempts = attempts;
        letter.failures = failures;
        letter.state = LetterState::Replaying { due };
        self.due.insert((due, id));
    }

    /// Whether a letter is still to end.
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.letters.contains_key(&id)
    }

    /// When the next attempt at a letter is due of which one has failed.
    pub(super) fn retrying(&self, id: Uuid) -> Option<Timestamp> {
        let letter = self.letters.get(&id).filter(|letter| 0 < letter.attempts)?;
        match letter.state {
            LetterState::Replaying { due } if self.due.contains(&(due, id)) => Some(due),
            _ => None,
        }
    }

    /// Takes a letter out, and lets the next one of its key have its turn.
    pub(super) fn end(&mut self, id: Uuid) -> Option<DeadLetter> {
        let letter = self.letters.remove(&id)?;
        let key = letter.original.stream.as_str();
        let queue = self.keys.get_mut(key)?;
        let was_first = queue.front() == Some(&id);
        queue.retain(|queued| *queued != id);
        let next = queue.front().copied();
        if queue.is_empty() {
            self.keys.remove(key);
        }
        self.due.retain(|(_, queued)| *queued != id);
        if let Some(next) = next.filter(|_| was_first) {
            self.due.insert((Timestamp::MIN, next));
        }
        Some(letter)
    }

    /// The letters that are to be delivered.
    pub(super) fn letters(&self) -> impl Iterator<Item = Uuid> {
        self.letters.keys().copied()
    }

    /// When the next letter has its turn.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether the event at this place is among them.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.letters.values().any(|letter| letter.position == position)
    }
}
