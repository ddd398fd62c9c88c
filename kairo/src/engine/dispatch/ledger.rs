//! Which events of the log a subscription has read, and up to where all of them are finished.
//!
//! The window holds what has been read above the low water, in log order. An event that finishes
//! early stays in it, marked, until everything before it is finished too.

use std::collections::VecDeque;

use crate::{
    delivery::{Checkpoint, checkpoint::FINISHED_MAX},
    store::Position,
};

/// The reading state of one subscription.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    low_water: Position,
    read_to: Position,
    window: VecDeque<Entry>,
    /// Finished above the low water when the subscription was claimed, not met again yet.
    claimed: VecDeque<Position>,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    finished: bool,
}

impl Ledger {
    /// Goes on where a checkpoint stands.
    pub(super) fn resume(checkpoint: Checkpoint) -> Self {
        let Checkpoint { low_water, finished, ahead: _ } = checkpoint;
        Self { low_water, read_to: low_water, window: VecDeque::new(), claimed: finished.into() }
    }

    /// Where reading goes on.
    pub(super) const fn read_to(&self) -> Position {
        self.read_to
    }

    /// How many more events may be read before an earlier one must finish.
    pub(super) fn room(&self) -> usize {
        FINISHED_MAX.saturating_sub(self.window.len())
    }

    /// Enters an event that was read; false when it was finished before the claim.
    pub(super) fn enter(&mut self, position: Position) -> bool {
        while self.claimed.front().is_some_and(|claimed| *claimed < position) {
            self.claimed.pop_front();
        }
        let finished = self.claimed.front() == Some(&position);
        self.read_to = position;
        self.window.push_back(Entry { position, finished });
        if finished {
            self.claimed.pop_front();
            self.advance();
        }
        !finished
    }

    /// Notes that nothing else is wanted up to `end`.
    pub(super) fn scanned(&mut self, end: Position) {
        self.read_to = self.read_to.max(end);
        self.advance();
    }

    /// Marks an event as finished, dead or parked. One that is not in the window was so before.
    pub(super) fn finish(&mut self, position: Position) {
        // The oldest is the first to start, and so nearly always the next to finish.
        match self.window.front_mut() {
            Some(oldest) if oldest.position == position => {
                oldest.finished = true;
                self.advance();
            }
            _ => {
                let index = self.window.binary_search_by_key(&position, |entry| entry.position);
                if let Ok(index) = index {
                    self.window[index].finished = true;
                }
            }
        }
    }

    /// Whether everything up to and including `position` was read and has been finished or parked.
    pub(super) fn covers(&self, position: Position) -> bool {
        if position <= self.low_water {
            return true;
        }
        match self.window.binary_search_by_key(&position, |entry| entry.position) {
            Ok(index) => self.window[index].finished,
            Err(_) => position <= self.read_to || self.claimed.contains(&position),
        }
    }

    /// What a checkpoint says now.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let early = self.window.iter().filter(|entry| entry.finished).map(|entry| entry.position);
        let finished = early.chain(self.claimed.iter().copied()).take(FINISHED_MAX).collect();
        Checkpoint { finished, ..Checkpoint::at(self.low_water) }
    }

    /// Raises the low water past all that is finished; what it passes needs no place of its own.
    fn advance(&mut self) {
        while let Some(entry) = self.window.pop_front_if(|entry| entry.finished) {
            self.low_water = entry.position;
        }
        if self.window.is_empty() {
            self.low_water = self.low_water.max(self.read_to);
        }
        while self.claimed.pop_front_if(|claimed| *claimed <= self.low_water).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> Position {
        Position::at_sequence(sequence)
    }

    #[track_caller]
    fn check(ledger: &Ledger, low_water: u64, finished: &[u64]) {
        let finished = finished.iter().copied().map(at).collect();
        assert_eq!(ledger.checkpoint(), Checkpoint { finished, ..Checkpoint::at(at(low_water)) });
    }

    #[test]
    fn the_low_water_waits_for_the_oldest() {
        let mut ledger = Ledger::default();
        assert!([1, 2, 3].into_iter().all(|sequence| ledger.enter(at(sequence))));
        ledger.finish(at(3));
        ledger.finish(at(2));
        check(&ledger, 0, &[2, 3]);
        ledger.finish(at(1));
        check(&ledger, 3, &[]);
    }

    #[test]
    fn what_nobody_wants_is_passed_once_all_before_it_is_finished() {
        let mut ledger = Ledger::default();
        ledger.enter(at(1));
        ledger.scanned(at(9));
        check(&ledger, 0, &[]);
        ledger.finish(at(1));
        check(&ledger, 9, &[]);
    }

    #[test]
    fn what_was_finished_before_a_restart_is_not_handled_again() {
        let mut ledger =
            Ledger::resume(Checkpoint { finished: vec![at(3), at(5)], ..Checkpoint::at(at(1)) });
        assert!(ledger.enter(at(2)));
        assert!(!ledger.enter(at(3)));
        check(&ledger, 1, &[3, 5]);
        ledger.finish(at(2));
        check(&ledger, 3, &[5]);
        assert!(ledger.covers(at(5)) && !ledger.covers(at(4)));
        assert!(ledger.enter(at(4)));
        assert!(!ledger.enter(at(5)));
        ledger.finish(at(4));
        check(&ledger, 5, &[]);
    }

    #[test]
    fn what_was_finished_and_is_wanted_no_more_is_passed() {
        let finished = vec![at(5), at(20)];
        let mut ledger = Ledger::resume(Checkpoint { finished, ..Checkpoint::at(at(3)) });
        ledger.scanned(at(9));
        check(&ledger, 9, &[20]);
    }

    #[test]
    fn a_finished_event_is_kept_when_the_log_has_lost_it() {
        let mut ledger =
            Ledger::resume(Checkpoint { finished: vec![at(3)], ..Checkpoint::at(at(1)) });
        ledger.enter(at(4));
        ledger.finish(at(4));
        check(&ledger, 4, &[]);
    }
}
