//! After an unclean stop: what may have been in flight runs alone, and is counted first.
//!
//! Nothing is written before a handler runs normally, so which events were in flight is not known;
//! but it is known how many there can have been. So many run one at a time, each with a durable
//! count beforehand, until one of them is found to take the process down again and again.

use std::collections::{HashMap, HashSet};

use super::runner::UNSETTLED_MAX;
use crate::store::Position;

/// How often an event may take the process down while it is alone in flight.
pub(super) const CRASHES_MAX: u32 = 5;

/// The state of the search.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// How many more events run alone.
    left: usize,
    /// Where the log ended at the claim: nothing behind it can have been in flight.
    log_end: Position,
    crashes: HashMap<Position, u32>,
    /// Where the store has a row that counts, and that must go when the event ends.
    rows: HashSet<Position>,
}

impl Suspects {
    /// Nobody is suspect after a clean stop.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Everything that can have been in flight is.
    pub(super) fn after_unclean_stop(log_end: Position) -> Self {
        Self { left: UNSETTLED_MAX, log_end, ..Self::default() }
    }

    /// Notes that the process went away `crashes` times while this event was alone in flight.
    pub(super) fn count(&mut self, position: Position, crashes: u32) {
        self.crashes.insert(position, crashes);
        self.rows.insert(position);
    }

    /// Whether an event that has ended leaves such a row behind.
    pub(super) fn left_row(&mut self, position: Position) -> bool {
        !self.rows.is_empty() && self.rows.remove(&position)
    }

    /// Whether the next event must run alone.
    pub(super) const fn any(&self) -> bool {
        0 < self.left
    }

    /// The crashes of an event that starts now.
    pub(super) fn start(&mut self, position: Position) -> u32 {
        self.left = self.left.saturating_sub(1);
        if self.crashes.is_empty() { 0 } else { self.crashes.remove(&position).unwrap_or(0) }
    }

    /// Ends the search when all that can have been in flight has been met.
    pub(super) fn met_all_to(&mut self, read_to: Position) {
        if self.log_end <= read_to {
            self.left = 0;
        }
    }
}
