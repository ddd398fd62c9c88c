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

/// The default: 3 retries within two seconds, then 5 within about 90 minutes.
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
    /// What was stated; the calls may come in any order, so nothing is concluded before the end.
    first: Option<Duration>,
    exponential: bool,
    max: Option<Duration>,
    jitter: bool,
}

impl RetryPolicy {
    /// Retries after 50 ms, 200 ms and 1 s in place, then after 5 s, 30 s, 2 min, 10 min and 1 h,
    /// persisted; each pause up to a quarter longer.
    pub const DEFAULT: Self =
        Self { retries_max: 8, first: None, exponential: false, max: None, jitter: false };

    /// Grants `retries_max` retries, which makes one attempt more, with the pauses of the default
    /// until [`backoff`](Self::backoff) states others. Retries beyond its eight wait an hour each.
    ///
    /// The methods below can be called in any order.
    #[must_use]
    pub const fn new(retries_max: u32) -> Self {
        Self { retries_max, ..Self::DEFAULT }
    }

    /// Waits `first` before the first retry, and before each later one as well unless the policy
    /// is [`exponential`](Self::exponential). Without jitter, unless [`jitter`](Self::jitter) asks
    /// for it.
    #[must_use]
    pub const fn backoff(self, first: Duration) -> Self {
        Self { first: Some(first), ..self }
    }

    /// Doubles the pause with every retry, from [`backoff`](Self::backoff) (50 ms) up to
    /// [`pause_max`](Self::pause_max) (one hour).
    #[must_use]
    pub const fn exponential(self) -> Self {
        Self { exponential: true, ..self }
    }

    /// Lets no pause be longer than `max`, jitter aside.
    #[must_use]
    pub const fn pause_max(self, max: Duration) -> Self {
        Self { max: Some(max), ..self }
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
                let pause = if self.has_jitter() { extend(bare, draw) } else { bare };
                // Jitter does not decide this: a policy behaves the same way each time.
                if bare <= IN_PLACE_MAX {
                    Verdict::RetryInPlace(pause)
                } else {
                    Verdict::RetryAfter(pause)
                }
            }
        }
    }

    /// The default's pauses are always extended, stated ones on request.
    fn has_jitter(&self) -> bool {
        self.jitter || self.first.is_none()
    }

    fn pause(&self, attempt: NonZeroU32) -> Duration {
        let retry = attempt.get();
        let pause = match (self.first, self.exponential) {
            (None, false) => listed(retry),
            (Some(first), false) => first,
            (first, true) => {
                let first = first.unwrap_or(DEFAULT_PAUSES[0]);
                let grown = first.saturating_mul(2_u32.saturating_pow(retry - 1));
                // A first pause is as long as it was stated to be.
                cmp::min(grown, cmp::max(first, PAUSE_MAX))
            }
        };
        self.max.map_or(pause, |max| cmp::min(pause, max))
    }
}

/// The default's pause before a retry, counted from 1.
fn listed(retry: u32) -> Duration {
    let last = DEFAULT_PAUSES.len() - 1;
    DEFAULT_PAUSES[usize::try_from(retry - 1).map_or(last, |index| cmp::min(index, last))]
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
    fn the_order_in_which_a_policy_is_written_does_not_matter() {
        let plain = RetryPolicy::new(3);
        let max = 2 * SECOND;
        let policy = plain.backoff(SECOND).exponential().pause_max(max).jitter();
        assert_eq!(plain.jitter().pause_max(max).exponential().backoff(SECOND), policy);
        assert_eq!(plain.pause_max(max).jitter().backoff(SECOND).exponential(), policy);
        let longest = policy.verdict(Class::Retryable, NonZeroU32::MIN.saturating_add(2), u32::MAX);
        assert_eq!(longest, Verdict::RetryAfter(Duration::from_millis(2_500)));
    }

    #[test]
    fn jitter_is_there_until_a_pause_is_stated_and_then_on_request() {
        let default = RetryPolicy::new(3);
        assert!(default.has_jitter() && default.exponential().has_jitter());
        assert!(!default.backoff(SECOND).has_jitter());
        assert!(default.jitter().backoff(SECOND).has_jitter());
    }

    #[test]
    fn a_ceiling_holds_for_every_kind_of_pause_and_nothing_else_shortens_a_stated_one() {
        let day = 24 * 3600 * SECOND;
        let capped = RetryPolicy::new(9).pause_max(SECOND);
        check(capped, Class::Retryable, 8, Verdict::RetryInPlace(SECOND));
        check(capped.backoff(day), Class::Retryable, 1, Verdict::RetryInPlace(SECOND));
        let long = RetryPolicy::new(9).backoff(day);
        check(long, Class::Retryable, 1, Verdict::RetryAfter(day));
        check(long.exponential(), Class::Retryable, 2, Verdict::RetryAfter(day));
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
