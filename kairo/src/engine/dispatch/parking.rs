//! Events that wait for something other than a free slot, by position, by key and by due time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    delivery::{Parked, ParkedState, checkpoint::PARKED_MAX},
    store::Position,
};

/// The parked rows of one subscription, as they are or are about to be in the store.
#[derive(Debug, Default)]
pub(super) struct Parking {
    ordered: bool,
    rows: BTreeMap<Position, Parked>,
    keys: HashMap<String, BTreeSet<Position>>,
    due: BTreeSet<(Timestamp, Position)>,
    /// The dead letters that hold a key, and how many hold each.
    holders: HashMap<Uuid, String>,
    held: HashMap<String, usize>,
}

impl Parking {
    pub(super) fn new(ordered: bool) -> Self {
        Self { ordered, ..Self::default() }
    }

    /// Takes a row in, or replaces the one at its position.
    pub(super) fn park(&mut self, row: Parked) {
        self.keys.entry(row.key.clone()).or_default().insert(row.position);
        if let ParkedState::Retry { due } = row.state {
            self.due.insert((due, row.position));
        }
        self.rows.insert(row.position, row);
    }

    /// Lets a row go, and the next one of its key have its turn.
    pub(super) fn unpark(&mut self, position: Position) {
        let Some(row) = self.rows.remove(&position) else { return };
        if let Some(positions) = self.keys.get_mut(&row.key) {
            positions.remove(&position);
            if positions.is_empty() {
                self.keys.remove(&row.key);
            }
        }
        self.wake(&row.key);
    }

    /// Lets the first row of a key have its turn, if it only waited for one before it.
    fn wake(&mut self, key: &str) {
        if self.held.contains_key(key) {
            return;
        }
        let first = self.keys.get(key).and_then(|positions| positions.first());
        if let Some(row) = first.and_then(|position| self.rows.get(position))
            && row.state == ParkedState::Behind
        {
            self.due.insert((Timestamp::MIN, row.position));
        }
    }

    /// Lets a row that was loaded have its turn if it is the first of its key.
    pub(super) fn wake_first(&mut self, position: Position) {
        if let Some(key) = self.rows.get(&position).map(|row| row.key.clone()) {
            self.wake(&key);
        }
    }

    /// Lets a row have its turn at once, whatever it waits for.
    pub(super) fn hurry(&mut self, position: Position) {
        if self.rows.contains_key(&position) {
            self.due.insert((Timestamp::MIN, position));
        }
    }

    /// Whether an event of this key must park behind an earlier one.
    pub(super) fn blocks(&self, key: &str) -> bool {
        self.ordered && (self.keys.contains_key(key) || self.held.contains_key(key))
    }

    /// Makes later events of a key wait for a dead letter.
    pub(super) fn hold(&mut self, key: &str, letter: Uuid) {
        if self.holders.insert(letter, key.to_owned()).is_none() {
            *self.held.entry(key.to_owned()).or_default() += 1;
        }
    }

    /// Lets later events of the key that a letter holds go on, unless another one holds it too.
    pub(super) fn let_go(&mut self, letter: Uuid) {
        let Some(key) = self.holders.remove(&letter) else { return };
        if let Some(holders) = self.held.get_mut(&key) {
            *holders -= 1;
            if *holders == 0 {
                self.held.remove(&key);
                self.wake(&key);
            }
        }
    }

    /// The letters that hold keys.
    pub(super) fn holding(&self) -> impl Iterator<Item = Uuid> {
        self.holders.keys().copied()
    }

    /// Takes up to `limit` rows whose turn has come; they stay parked until they end.
    pub(super) fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Position> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((due, position)) = self.due.first().copied()
            && due <= now
        {
            self.due.pop_first();
            taken.push(position);
        }
        taken
    }

    /// When the next row has its turn.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(super) fn get(&self, position: Position) -> Option<&Parked> {
        self.rows.get(&position)
    }

    pub(super) fn is_full(&self) -> bool {
        PARKED_MAX <= self.rows.len()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows wait for a newer binary.
    pub(super) fn newer(&self) -> usize {
        self.rows.values().filter(|row| row.state == ParkedState::Newer).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::micros;

    fn row(sequence: u64, state: ParkedState) -> Parked {
        let position = Position::at_sequence(sequence);
        Parked { position, key: "k".to_owned(), state, attempts: 0, failures: Vec::new() }
    }

    #[test]
    fn rows_of_a_key_have_their_turn_one_after_the_other() {
        let mut parking = Parking::new(true);
        parking.park(row(1, ParkedState::Retry { due: micros(10) }));
        parking.park(row(2, ParkedState::Behind));
        assert!(parking.blocks("k"));
        assert_eq!(parking.take_due(micros(9), 9), []);
        assert_eq!(parking.take_due(micros(10), 9), [Position::at_sequence(1)]);
        parking.unpark(Position::at_sequence(1));
        assert_eq!(parking.take_due(micros(10), 9), [Position::at_sequence(2)]);
        parking.unpark(Position::at_sequence(2));
        assert!(!parking.blocks("k"));
    }

    #[test]
    fn a_held_key_waits_for_its_letter() {
        let mut parking = Parking::new(true);
        parking.hold("k", Uuid::nil());
        parking.park(row(2, ParkedState::Behind));
        assert_eq!(parking.next_due(), None);
        parking.let_go(Uuid::nil());
        assert_eq!(parking.take_due(micros(0), 9), [Position::at_sequence(2)]);
    }
}
