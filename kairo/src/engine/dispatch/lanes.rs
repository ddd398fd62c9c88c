//! Order within a key: an event waits until the one before it has had its outcome.
//!
//! A key is held here while one of its events runs that was not done at once. So keys cost nothing
//! while they are quiet, and different keys never wait for each other. Of those whose turn it is, the
//! oldest starts first: so nobody overtakes for long, and what has finished has few gaps.

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashMap;

use crate::event::{name::StreamName, record::Recorded};

/// What is read and has not started.
#[derive(Debug)]
pub(super) struct Lanes {
    ordered: bool,
    /// In the order of the log. Whether their keys are held is asked when their turn would come:
    /// where handlers are done at once, no key ever is.
    waiting: VecDeque<Arc<Recorded>>,
    /// Those that have waited for an earlier one of their key, in the order of the log.
    released: VecDeque<Arc<Recorded>>,
    /// The keys of what runs, and of what is released, with what waits for them. At most as many as
    /// a subscription reads ahead of its oldest event.
    held: HashMap<StreamName, VecDeque<Arc<Recorded>>>,
    /// The payloads of all that waits.
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            waiting: VecDeque::new(),
            released: VecDeque::new(),
            held: HashMap::default(),
            bytes: 0,
        }
    }

    /// Puts an event behind the earlier ones of its key.
    pub(super) fn offer(&mut self, event: Arc<Recorded>) {
        self.bytes += bytes(&event);
        self.waiting.push_back(event);
    }

    /// The next event whose turn it is. It must have ended, or its key must be
    /// [held](Self::hold), before this is asked again.
    pub(super) fn next(&mut self) -> Option<Arc<Recorded>> {
        loop {
            let event = match (self.waiting.front(), self.released.front()) {
                (Some(waiting), Some(released)) if waiting.position < released.position => {
                    self.waiting.pop_front()?
                }
                // Its key is held for it.
                (_, Some(_)) => {
                    let event = self.released.pop_front()?;
                    self.bytes -= bytes(&event);
                    return Some(event);
                }
                (_, None) => self.waiting.pop_front()?,
            };
            let Some(queue) = self.queue_of(&event.event.stream) else {
                self.bytes -= bytes(&event);
                return Some(event);
            };
            queue.push_back(event);
        }
    }

    /// Lets later events of a key wait for one that runs.
    pub(super) fn hold(&mut self, key: StreamName) {
        if self.ordered {
            self.held.entry(key).or_default();
        }
    }

    /// Lets the next event of a key have its turn.
    pub(super) fn release(&mut self, key: &StreamName) {
        let Some(queue) = self.queue_of(key) else { return };
        match queue.pop_front() {
            Some(event) => {
                let older = |released: &Arc<Recorded>| released.position < event.position;
                let place = self.released.partition_point(older);
                self.released.insert(place, event);
            }
            None => drop(self.held.remove(key)),
        }
    }

    /// Takes all waiting events of a key that is parked, in order.
    pub(super) fn take_key(&mut self, key: &StreamName) -> VecDeque<Arc<Recorded>> {
        if !self.ordered {
            return VecDeque::new();
        }
        let mut taken = self.held.remove(key).unwrap_or_default();
        self.waiting.retain(|event| {
            let is_its = event.event.stream == *key;
            if is_its {
                taken.push_back(Arc::clone(event));
            }
            !is_its
        });
        self.bytes -= taken.iter().map(bytes).sum::<usize>();
        taken
    }

    /// How many payload bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event waits that may have its turn.
    pub(super) fn has_ready(&self) -> bool {
        !self.waiting.is_empty() || !self.released.is_empty()
    }

    fn queue_of(&mut self, key: &StreamName) -> Option<&mut VecDeque<Arc<Recorded>>> {
        if self.held.is_empty() { None } else { self.held.get_mut(key) }
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

    /// The next event, which does not end at once.
    fn next(lanes: &mut Lanes) -> Option<u64> {
        let event = lanes.next()?;
        lanes.hold(event.event.stream.clone());
        Some(event.position.sequence)
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
        next(&mut lanes);
        lanes.release(&StreamName::stored("a"));
        assert!(lanes.held.is_empty() && !lanes.has_ready());
    }

    #[test]
    fn a_key_whose_events_end_at_once_is_never_held() {
        let mut lanes = lanes(true, &["a", "a", "b", "a"]);
        let mut order = Vec::new();
        while let Some(event) = lanes.next() {
            lanes.release(&event.event.stream);
            order.push(event.position.sequence);
        }
        assert_eq!(order, [1, 2, 3, 4]);
        assert!(lanes.held.is_empty());
    }

    #[test]
    fn a_parked_key_gives_up_all_that_waits() {
        let mut lanes = lanes(true, &["a", "a", "b", "a"]);
        next(&mut lanes);
        assert_eq!(next(&mut lanes), Some(3));
        lanes.offer(Job::sample("a", 5).event);
        let taken = lanes.take_key(&StreamName::stored("a"));
        let places: Vec<_> = taken.iter().map(|event| event.position.sequence).collect();
        assert_eq!((places, lanes.bytes()), (vec![2, 4, 5], 0));
        assert!(!lanes.has_ready());
    }

    #[test]
    fn unordered_events_never_wait() {
        let mut lanes = lanes(false, &["a", "a"]);
        assert!(next(&mut lanes).is_some() && next(&mut lanes).is_some());
    }
}
