//! How often, and how patiently, a failed handler is tried again.
//!
//! A policy is a plain value that reads no clock and rolls no dice: `dispatch` passes in the
//! attempt and a random draw, and gets the next move back. So a test walks years of it at once.

use std::{cmp, num::NonZeroU32, time::Duration};

use crate::handler::Class;

/// The longest pause that is waited in place, holding a slot of the subscription's concurrency;
/// a longer one is persisted, so that it survives a restart.
pub const IN_PLACE_MAX: Duration = Duration::from_secs(1);

/// How often a conflict is tried again before it counts as a failed attempt.
pub const CONFLICT_RETRIES_MAX: u32 = 10;

/// The ceiling of an exponential backoff that states none.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// The default: 3 retries within two seconds, then 5 within an hour and a quarter.
const DEFAULT_PAUSES: &[Duration] = &[
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// What `dispatch` does next with a delivery whose handler failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver again once this pause has passed, which is waited for in place.
    RetryInPlace(Duration),
    /// Deliver again once this pause has passed; that is written down, so it survives a restart.
    RetryAfter(Duration),
    /// The handler said that trying again cannot help: bury the event as a dead letter.
    Hopeless,
    /// Every retry has been used: bury the event as a dead letter.
    Exhausted,
}

/// How often a failed attempt is followed by another, and after which pauses.
///
/// ```
/// # use {kairo::RetryPolicy, std::time::Duration};
/// // Pauses of 2 s, 4 s, 8 s, 8 s and 8 s, each up to a quarter longer, then a dead letter.
/// let patient = RetryPolicy::new(5)
///     .backoff(Duration::from_secs(2))
///     .exponential()
///     .pause_max(Duration::from_secs(8))
///     .jitter();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    retries_max: u32,
    pauses: Pauses,
    jitter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pauses {
    Listed(&'static [Duration]),
    Growing { first: Duration, exponential: bool, max: Duration },
}

impl RetryPolicy {
    /// Retries after 50 ms, 200 ms and 1 s in place, then after 5 s, 30 s, 2 min, 10 min and 1 h,
    /// persisted; each pause up to a quarter longer.
    pub const DEFAULT: Self =
        Self { retries_max: 8, pauses: Pauses::Listed(DEFAULT_PAUSES), jitter: true };

    /// Grants `retries_max` retries, which makes one attempt more, with the pauses of the default
    /// until [`backoff`](Self::backoff) states others. Retries beyond its eight wait an hour each.
    #[must_use]
    pub const fn new(retries_max: u32) -> Self {
        Self { retries_max, ..Self::DEFAULT }
    }

    /// Waits `first` before the first retry, and before each later one as well unless the policy
    /// is [`exponential`](Self::exponential). Without jitter, until [`jitter`](Self::jitter) asks.
    #[must_use]
    pub const fn backoff(self, first: Duration) -> Self {
        let pauses = Pauses::Growing { first, exponential: false, max: PAUSE_MAX };
        Self { pauses, jitter: false, ..self }
    }

    /// Doubles the pause with every retry, up to [`pause_max`](Self::pause_max) (one hour).
    #[must_use]
    pub const fn exponential(self) -> Self {
        let (first, max) = self.first_and_max();
        Self { pauses: Pauses::Growing { first, exponential: true, max }, ..self }
    }

    /// Lets no pause grow beyond `max`.
    #[must_use]
    pub const fn pause_max(self, max: Duration) -> Self {
        match self.pauses {
            Pauses::Growing { first, exponential, .. } => {
                Self { pauses: Pauses::Growing { first, exponential, max }, ..self }
            }
            Pauses::Listed(_) => self,
        }
    }

    /// Extends pauses by up to a quarter, so that handlers that failed together return apart.
    #[must_use]
    pub const fn jitter(self) -> Self {
        Self { jitter: true, ..self }
    }

    /// Decides what follows the failure of `attempt`; the first delivery is attempt 1.
    #[must_use]
    pub fn verdict(&self, class: Class, attempt: NonZeroU32, draw: u32) -> Verdict {
        match class {
            Class::Permanent => Verdict::Hopeless,
            _ if self.retries_max < attempt.get() => Verdict::Exhausted,
            Class::Retryable | Class::Conflict => {
                let bare = self.pause(attempt);
                let pause = if self.jitter { extend(bare, draw) } else { bare };
                // Jitter does not decide this: a policy behaves the same way each time.
                if bare <= IN_PLACE_MAX {
                    Verdict::RetryInPlace(pause)
                } else {
                    Verdict::RetryAfter(pause)
                }
            }
        }
    }

    const fn first_and_max(&self) -> (Duration, Duration) {
        match self.pauses {
            Pauses::Growing { first, max, .. } => (first, max),
            Pauses::Listed(_) => (DEFAULT_PAUSES[0], PAUSE_MAX),
        }
    }

    fn pause(&self, attempt: NonZeroU32) -> Duration {
        let retry = attempt.get();
        match self.pauses {
            Pauses::Listed(pauses) => {
                let last = pauses.len() - 1;
                pauses[usize::try_from(retry - 1).map_or(last, |index| cmp::min(index, last))]
            }
            Pauses::Growing { first, exponential: false, max } => cmp::min(first, max),
            Pauses::Growing { first, exponential: true, max } => {
                cmp::min(first.saturating_mul(2_u32.saturating_pow(retry - 1)), max)
            }
        }
    }
}

/// Jitter only extends: a shorter pause would press a service that is already down.
fn extend(pause: Duration, draw: u32) -> Duration {
    pause + (pause / 4).mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The pause before a conflict is tried again: 5 to 100 ms, all of it chance, so that the writers
/// that collided do not collide again.
#[must_use]
pub fn conflict_pause(draw: u32) -> Duration {
    Duration::from_millis(5)
        + Duration::from_millis(95).mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(policy: RetryPolicy, class: Class, attempt: u32, expected: Verdict) {
        let attempt = NonZeroU32::new(attempt).expect("attempts count from 1");
        assert_eq!(policy.verdict(class, attempt, 0), expected);
    }

    #[test]
    fn pauses_double_up_to_the_ceiling_and_then_the_event_is_dead() {
        let policy = RetryPolicy::new(3).backoff(SECOND).exponential().pause_max(3 * SECOND);
        check(policy, Class::Retryable, 1, Verdict::RetryInPlace(SECOND));
        check(policy, Class::Retryable, 2, Verdict::RetryAfter(2 * SECOND));
        check(policy, Class::Retryable, 3, Verdict::RetryAfter(3 * SECOND));
        check(policy, Class::Retryable, 4, Verdict::Exhausted);
    }

    #[test]
    fn a_plain_backoff_waits_the_same_each_time() {
        let policy = RetryPolicy::new(2).backoff(SECOND);
        check(policy, Class::Retryable, 1, Verdict::RetryInPlace(SECOND));
        check(policy, Class::Retryable, 2, Verdict::RetryInPlace(SECOND));
    }

    #[test]
    fn the_default_gives_up_after_nine_attempts() {
        check(RetryPolicy::DEFAULT, Class::Retryable, 3, Verdict::RetryInPlace(SECOND));
        check(RetryPolicy::DEFAULT, Class::Retryable, 4, Verdict::RetryAfter(5 * SECOND));
        check(RetryPolicy::DEFAULT, Class::Retryable, 8, Verdict::RetryAfter(3600 * SECOND));
        check(RetryPolicy::DEFAULT, Class::Retryable, 9, Verdict::Exhausted);
    }

    #[test]
    fn a_permanent_failure_is_dead_at_once() {
        check(RetryPolicy::new(9), Class::Permanent, 1, Verdict::Hopeless);
    }

    #[test]
    fn jitter_only_extends_and_by_a_quarter_at_most() {
        for pause in [Duration::ZERO, SECOND, 3600 * SECOND] {
            for draw in [0, 1, u32::MAX / 2, u32::MAX] {
                let extended = extend(pause, draw);
                assert!(pause <= extended && extended <= pause + pause / 4, "{draw}: {extended:?}");
            }
        }
    }

    #[test]
    fn no_attempt_is_too_late_for_a_pause() {
        let policy = RetryPolicy::new(u32::MAX).backoff(SECOND).exponential();
        check(policy, Class::Retryable, u32::MAX - 1, Verdict::RetryAfter(PAUSE_MAX));
    }
}
