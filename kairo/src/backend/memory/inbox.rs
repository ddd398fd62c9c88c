//! Marks of what has been handled.

use super::State;
use crate::{
    clock::Timestamp,
    delivery::{Mark, MarkKey},
};

impl State {
    /// Deletes old marks that no subscription needs.
    pub(super) fn prune_marks(&mut self, before: Timestamp, limit: usize) -> u64 {
        let is_passed = |mark: &Mark| {
            let held = self.subscriptions.get(&mark.key.subscription);
            held.is_none_or(|held| mark.position <= held.low_water())
        };
        let old = self.marks.values().filter(|mark| mark.time < before && is_passed(mark));
        let keys: Vec<MarkKey> = old.take(limit).map(|mark| mark.key.clone()).collect();
        for key in &keys {
            self.marks.remove(key);
        }
        keys.len() as u64
    }

    pub(super) fn rename_marks(&mut self, old: &str, new: &str) {
        for mut mark in self.take_marks(old) {
            new.clone_into(&mut mark.key.subscription);
            self.marks.insert(mark.key.clone(), mark);
        }
    }

    /// Takes the marks of a subscription out.
    pub(super) fn take_marks(&mut self, subscription: &str) -> Vec<Mark> {
        let of_it = |key: &MarkKey, _: &mut Mark| key.subscription == subscription;
        self.marks.extract_if(.., of_it).map(|(_, mark)| mark).collect()
    }
}
