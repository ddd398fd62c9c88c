//! A circuit breaker for each subscription: when most attempts fail, it stops burning them.
//!
//! At least 20 attempts of which half failed in a way that another attempt could cure, within a
//! minute, open it for 30 s; then one event at a time tries. A failure doubles the pause, up to
//! 5 minutes; a success closes the circuit. (Pause and threshold as in Wolverine's and
//! `MassTransit`'s breakers; the minute is kept as two halves, so a count needs no list of times.)

use std::{cmp, time::Duration};

use crate::clock::{Timestamp, after};

const SAMPLES_MIN: u32 = 20;
const HALF_WINDOW: Duration = Duration::from_secs(30);
const PAUSE_FIRST: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// The breaker of one subscription.
#[derive(Debug)]
pub(super) struct Circuit {
    enabled: bool,
    state: State,
    /// The half of the window that is being filled, and when it ends.
    current: Counts,
    current_end: Timestamp,
    previous: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    succeeded: u32,
    failed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Timestamp, pause: Duration },
    HalfOpen { pause: Duration },
}

impl Circuit {
    pub(super) fn new(enabled: bool) -> Self {
        let (current, previous) = (Counts::default(), Counts::default());
        Self { enabled, state: State::Closed, current, current_end: Timestamp::MIN, previous }
    }

    /// How many events may run side by side at `now`, given what the subscription allows.
    pub(super) fn allowed(&mut self, concurrency: usize, now: Timestamp) -> usize {
        match self.state {
            State::Closed => concurrency,
            State::HalfOpen { .. } => 1,
            State::Open { until, .. } if now < until => 0,
            State::Open { pause, .. } => {
                self.state = State::HalfOpen { pause };
                1
            }
        }
    }

    /// When an open circuit lets the next event try.
    pub(super) const fn open_until(&self) -> Option<Timestamp> {
        match self.state {
            State::Open { until, .. } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// Counts what became of an event: its failed attempts that another could cure, and whether it
    /// succeeded in the end.
    pub(super) fn record(&mut self, failed: u32, succeeded: bool, now: Timestamp) {
        if !self.enabled || (failed == 0 && !succeeded) {
            return;
        }
        self.roll(now);
        self.current.failed += failed;
        self.current.succeeded += u32::from(succeeded);
        match self.state {
            State::HalfOpen { .. } if succeeded => self.close(),
            State::HalfOpen { pause } => self.open(cmp::min(2 * pause, PAUSE_MAX), now),
            State::Closed if self.is_tripped() => self.open(PAUSE_FIRST, now),
            State::Closed | State::Open { .. } => {}
        }
    }

    fn is_tripped(&self) -> bool {
        let failed = self.current.failed + self.previous.failed;
        let all = failed + self.current.succeeded + self.previous.succeeded;
        SAMPLES_MIN <= all && all <= 2 * failed
    }

    fn roll(&mut self, now: Timestamp) {
        if now < self.current_end {
            return;
        }
        let adjacent = now < after(self.current_end, HALF_WINDOW);
        self.previous = if adjacent { self.current } else { Counts::default() };
        self.current = Counts::default();
        self.current_end = after(now, HALF_WINDOW);
    }

    fn open(&mut self, pause: Duration, now: Timestamp) {
        self.state = State::Open { until: after(now, pause), pause };
    }

    fn close(&mut self) {
        self.state = State::Closed;
        (self.current, self.previous) = (Counts::default(), Counts::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::micros;

    fn second(seconds: i64) -> Timestamp {
        micros(seconds * 1_000_000)
    }

    fn tripped() -> Circuit {
        let mut circuit = Circuit::new(true);
        for _ in 0..20 {
            circuit.record(1, false, second(0));
        }
        circuit
    }

    #[test]
    fn half_of_twenty_failures_open_it_for_half_a_minute() {
        let mut circuit = tripped();
        assert_eq!(circuit.allowed(8, second(29)), 0);
        assert_eq!(circuit.allowed(8, second(30)), 1);
        circuit.record(0, true, second(30));
        assert_eq!(circuit.allowed(8, second(30)), 8);
    }

    #[test]
    fn a_failed_trial_doubles_the_pause_up_to_five_minutes() {
        let (mut circuit, mut now) = (tripped(), 0);
        for pause in [30, 60, 120, 240, 300, 300] {
            assert_eq!(circuit.open_until(), Some(second(now + pause)));
            now += pause;
            assert_eq!(circuit.allowed(8, second(now)), 1);
            circuit.record(1, false, second(now));
        }
    }

    #[test]
    fn failures_of_long_ago_and_rare_failures_do_not_open_it() {
        let mut circuit = Circuit::new(true);
        for time in 0..100 {
            circuit.record(1, false, second(time * 10));
            circuit.record(0, true, second(time * 10));
            circuit.record(0, true, second(time * 10));
        }
        assert_eq!(circuit.open_until(), None);
        let mut slow = Circuit::new(true);
        for time in 0..100 {
            slow.record(1, false, second(time * 10));
        }
        assert_eq!(slow.open_until(), None);
    }
}
