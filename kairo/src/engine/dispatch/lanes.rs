//! Order within a key: an event waits until the one before it has had its outcome.
//!
//! A key is present here while one of its events is ready or running. So keys cost nothing while
//! they are quiet, and different keys never wait for each other. Of those whose turn it is, the
//! oldest starts first: so nobody overtakes for long, and what has finished has few gaps.

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashMap;

use crate::event::{name::StreamName, record::Recorded};

/// What is read and has not started.
#[derive(Debug)]
pub(super) struct Lanes {
    ordered: bool,
    /// Those that found nobody of their key, in the order of the log.
    ready: VecDeque<Arc<Recorded>>,
    /// Those that have waited for an earlier one of their key, in the order of the log.
    released: VecDeque<Arc<Recorded>>,
    /// At most as many keys as a subscription reads ahead of its oldest event.
    behind: HashMap<StreamName, VecDeque<Arc<Recorded>>>,
    /// The payloads of all that waits.
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ready: VecDeque::new(),
            released: VecDeque::new(),
            behind: HashMap::default(),
            bytes: 0,
        }
    }

    /// Puts an event behind the earlier ones of its key.
    pub(super) fn offer(&mut self, event: Arc<Recorded>) {
        self.bytes += bytes(&event);
        if self.ordered {
            let key = &event.event.stream;
            // Not by `entry`, which would need a key of its own for each event of a busy stream.
            match self.behind.get_mut(key) {
                Some(queue) => return queue.push_back(event),
                None => drop(self.behind.insert(key.clone(), VecDeque::new())),
            }
        }
        self.ready.push_back(event);
    }

    /// The next event whose turn it is.
    pub(super) fn next(&mut self) -> Option<Arc<Recorded>> {
        let event = match (self.ready.front(), self.released.front()) {
            (Some(ready), Some(released)) if ready.position < released.position => {
                self.ready.pop_front()?
            }
            (_, Some(_)) => self.released.pop_front()?,
            (_, None) => self.ready.pop_front()?,
        };
        self.bytes -= bytes(&event);
        Some(event)
    }

    /// Lets the next event of a key have its turn.
    pub(super) fn release(&mut self, key: &StreamName) {
        if !self.ordered {
            return;
        }
        let Some(queue) = self.behind.get_mut(key) else { return };
        match queue.pop_front() {
            Some(event) => {
                let older = |released: &Arc<Recorded>| released.position < event.position;
                let place = self.released.partition_point(older);
                self.released.insert(place, event);
            }
            None => drop(self.behind.remove(key)),
        }
    }

    /// Takes all waiting events of a key that is parked, in order.
    pub(super) fn take_key(&mut self, key: &StreamName) -> VecDeque<Arc<Recorded>> {
        let taken = self.behind.remove(key).unwrap_or_default();
        self.bytes -= taken.iter().map(bytes).sum::<usize>();
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

fn bytes(event: &Arc<Recorded>) -> usize {
    event.event.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::job::Job;

    /// Lanes with events of these keys, at 1, 2, 3, …
    fn lanes(ordered: bool, keys: &[&str]) -> Lanes {
        let mut lanes = Lanes::new(ordered);
        for (sequence, key) in (1..).zip(keys) {
            lanes.offer(Job::sample(key, sequence).event);
        }
        lanes
    }

    fn next(lanes: &mut Lanes) -> Option<u64> {
        lanes.next().map(|event| event.position.sequence)
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
