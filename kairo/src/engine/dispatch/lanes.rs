//! Order within a key: an event waits until the one before it has had its outcome.
//!
//! A key is present here while one of its events is ready or running. So keys cost nothing while
//! they are quiet, and different keys never wait for each other. Of those whose turn it is, the
//! oldest starts first: so nobody overtakes for long, and what has finished has few gaps.

use std::collections::{
    BTreeMap, VecDeque,
    hash_map::Entry::{Occupied, Vacant},
};

use foldhash::HashMap;

use super::job::Job;
use crate::{event::name::StreamName, store::Position};

/// What is read and has not started.
#[derive(Debug)]
pub(super) struct Lanes {
    ordered: bool,
    /// Those that found nobody of their key, in the order of the log.
    ready: VecDeque<Job>,
    /// Those that have waited for an earlier one of their key.
    released: BTreeMap<Position, Job>,
    /// At most as many keys as a subscription reads ahead of its oldest event.
    behind: HashMap<StreamName, VecDeque<Job>>,
    /// The payloads of all that waits.
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ready: VecDeque::new(),
            released: BTreeMap::new(),
            behind: HashMap::default(),
            bytes: 0,
        }
    }

    /// Puts an event behind the earlier ones of its key.
    pub(super) fn offer(&mut self, job: Job) {
        self.bytes += job.bytes();
        if self.ordered {
            match self.behind.entry(job.key().clone()) {
                Occupied(mut queue) => return queue.get_mut().push_back(job),
                Vacant(quiet) => quiet.insert(VecDeque::new()),
            };
        }
        self.ready.push_back(job);
    }

    /// The next event whose turn it is.
    pub(super) fn next(&mut self) -> Option<Job> {
        let job = match (self.ready.front(), self.released.first_entry()) {
            (Some(ready), Some(released)) if ready.event.position < *released.key() => {
                self.ready.pop_front()?
            }
            (_, Some(released)) => released.remove(),
            (_, None) => self.ready.pop_front()?,
        };
        self.bytes -= job.bytes();
        Some(job)
    }

    /// Lets the next event of a key have its turn.
    pub(super) fn release(&mut self, key: &StreamName) {
        if !self.ordered {
            return;
        }
        let Occupied(mut queue) = self.behind.entry(key.clone()) else { return };
        match queue.get_mut().pop_front() {
            Some(job) => {
                self.released.insert(job.event.position, job);
            }
            None => {
                queue.remove();
            }
        }
    }

    /// Takes all waiting events of a key that is parked, in order.
    pub(super) fn take_key(&mut self, key: &StreamName) -> VecDeque<Job> {
        let taken = self.behind.remove(key).unwrap_or_default();
        self.bytes -= taken.iter().map(Job::bytes).sum::<usize>();
        taken
    }

    /// How many payload bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event has its turn.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.released.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes with events of these keys, at 1, 2, 3, …
    fn lanes(ordered: bool, keys: &[&str]) -> Lanes {
        let mut lanes = Lanes::new(ordered);
        for (sequence, key) in (1..).zip(keys) {
            lanes.offer(Job::sample(key, sequence));
        }
        lanes
    }

    fn next(lanes: &mut Lanes) -> Option<u64> {
        lanes.next().map(|job| job.event.position.sequence)
    }

    #[test]
    fn a_key_waits_for_itself_and_for_nobody_else() {
        let mut lanes = lanes(true, &["a", "a", "b"]);
        assert_eq!(next(&mut lanes), Some(1));
        assert_eq!(next(&mut lanes), Some(3));
        assert_eq!(next(&mut lanes), None);
        lanes.release(&StreamName::stored("a"));
        assert_eq!(next(&mut lanes), Some(2));
    }

    #[test]
    fn the_oldest_whose_turn_it_is_is_the_next() {
        let mut lanes = lanes(true, &["a", "b", "b", "a", "c"]);
        assert_eq!(next(&mut lanes), Some(1));
        lanes.release(&StreamName::stored("a"));
        assert_eq!(next(&mut lanes), Some(2));
        lanes.release(&StreamName::stored("b"));
        let rest: Vec<_> = std::iter::from_fn(|| next(&mut lanes)).collect();
        assert_eq!(rest, [3, 4, 5]);
    }

    #[test]
    fn a_key_whose_last_event_is_done_is_forgotten() {
        let mut lanes = lanes(true, &["a"]);
        lanes.next();
        lanes.release(&StreamName::stored("a"));
        assert!(lanes.behind.is_empty() && !lanes.has_ready());
    }

    #[test]
    fn a_parked_key_gives_up_all_that_waits() {
        let mut lanes = lanes(true, &["a", "a", "a"]);
        lanes.next();
        assert_eq!(lanes.take_key(&StreamName::stored("a")).len(), 2);
        assert!(!lanes.has_ready());
    }

    #[test]
    fn unordered_events_never_wait() {
        let mut lanes = lanes(false, &["a", "a"]);
        assert!(next(&mut lanes).is_some() && next(&mut lanes).is_some());
    }
}
