//! Order within a key: an event waits until the one before it has had its outcome.
//!
//! A key is present here while one of its events is ready or running. So keys cost nothing while
//! they are quiet, and different keys never wait for each other.

use std::collections::{HashMap, VecDeque};

use super::job::Job;
use crate::event::name::StreamName;

/// What is read and has not started.
#[derive(Debug)]
pub(super) struct Lanes {
    ordered: bool,
    ready: VecDeque<Job>,
    behind: HashMap<StreamName, VecDeque<Job>>,
    /// The payloads of all that waits.
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(ordered: bool) -> Self {
        Self { ordered, ready: VecDeque::new(), behind: HashMap::new(), bytes: 0 }
    }

    /// Puts an event behind the earlier ones of its key.
    pub(super) fn offer(&mut self, job: Job) {
        self.bytes += job.bytes();
        if self.ordered {
            if let Some(queue) = self.behind.get_mut(job.key()) {
                queue.push_back(job);
                return;
            }
            self.behind.insert(job.key().clone(), VecDeque::new());
        }
        self.ready.push_back(job);
    }

    /// The next event whose turn it is.
    pub(super) fn next(&mut self) -> Option<Job> {
        let job = self.ready.pop_front()?;
        self.bytes -= job.bytes();
        Some(job)
    }

    /// Lets the next event of a key have its turn.
    pub(super) fn release(&mut self, key: &StreamName) {
        let Some(queue) = self.behind.get_mut(key) else { return };
        match queue.pop_front() {
            Some(job) => self.ready.push_back(job),
            None => drop(self.behind.remove(key)),
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
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(lanes: &mut Lanes) -> Option<String> {
        lanes.next().map(|job| job.key().to_string())
    }

    #[test]
    fn a_key_waits_for_itself_and_for_nobody_else() {
        let mut lanes = Lanes::new(true);
        for key in ["a", "a", "b"] {
            lanes.offer(Job::sample(key));
        }
        assert_eq!(next(&mut lanes).as_deref(), Some("a"));
        assert_eq!(next(&mut lanes).as_deref(), Some("b"));
        assert_eq!(next(&mut lanes), None);
        lanes.release(&StreamName::stored("a"));
        assert_eq!(next(&mut lanes).as_deref(), Some("a"));
    }

    #[test]
    fn a_parked_key_gives_up_all_that_waits() {
        let mut lanes = Lanes::new(true);
        for _ in 0..3 {
            lanes.offer(Job::sample("a"));
        }
        lanes.next();
        assert_eq!(lanes.take_key(&StreamName::stored("a")).len(), 2);
        assert!(!lanes.has_ready());
    }

    #[test]
    fn unordered_events_never_wait() {
        let mut lanes = Lanes::new(false);
        lanes.offer(Job::sample("a"));
        lanes.offer(Job::sample("a"));
        assert!(next(&mut lanes).is_some() && next(&mut lanes).is_some());
    }
}
