//! The only source of time and randomness.
//!
//! Whoever decides something gets the time as a [`Timestamp`] and chance as a number, so that a
//! test hands in both. With the feature `testing` the clock itself can be moved by hand.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use uuid::{ContextV7, Timestamp as UuidTime, Uuid};

/// An instant on the time line, to the microsecond in every store.
pub use jiff::Timestamp;

/// Tells the time, wakes sleepers, and makes ids and random numbers.
#[derive(Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Clone)]
enum Source {
    System,
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "only tests move a clock by hand")
    )]
    Manual(watch::Sender<Timestamp>),
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub const fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that stands still until [`advance`](Self::advance) moves it.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self { source: Source::Manual(watch::Sender::new(start)) }
    }

    /// Moves a manual clock forwards and wakes whoever slept until then; the system's clock stays.
    #[cfg(any(test, feature = "testing"))]
    pub fn advance(&self, pause: Duration) {
        if let Source::Manual(now) = &self.source {
            now.send_modify(|now| *now = after(*now, pause));
        }
    }

    /// The time now, to the microsecond.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => micros(Timestamp::now().as_microsecond()),
            Source::Manual(now) => *now.borrow(),
        }
    }

    /// Returns once `pause` has passed. Dropping the future cancels nothing else.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn sleep(&self, pause: Duration) {
        match &self.source {
            Source::System => tokio::time::sleep(pause).await,
            Source::Manual(_) => self.sleep_until(after(self.now(), pause)).await,
        }
    }

    /// Returns once the time is `due` or later.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn sleep_until(&self, due: Timestamp) {
        match &self.source {
            Source::System => {
                let pause = Duration::try_from(due - self.now()).unwrap_or_default();
                tokio::time::sleep(pause).await;
            }
            Source::Manual(now) => {
                // The sender lives in `self`, so waiting can only end by the time having come.
                let _ = now.subscribe().wait_for(|now| due <= *now).await;
            }
        }
    }

    /// A new id: UUID v7, ascending within this process.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        static ORDER: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        let now = self.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let order = ORDER.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(UuidTime::from_unix(&*order, seconds, nanos))
    }

    /// A random number, for jitter.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the only source of randomness")]
    pub fn draw(&self) -> u32 {
        match &self.source {
            Source::System => Uuid::new_v4().as_fields().0,
            Source::Manual(_) => 0,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::System => f.write_str("Clock::system()"),
            Source::Manual(now) => write!(f, "Clock::manual({})", *now.borrow()),
        }
    }
}

/// `pause` after `time`; the end of time where it would lie beyond.
#[must_use]
pub(crate) fn after(time: Timestamp, pause: Duration) -> Timestamp {
    time.checked_add(pause).map_or(Timestamp::MAX, |later| micros(later.as_microsecond()))
}

/// `age` before `time`; the beginning of time where it would lie beyond.
#[must_use]
pub(crate) fn before(time: Timestamp, age: Duration) -> Timestamp {
    time.checked_sub(age).map_or(Timestamp::MIN, |earlier| micros(earlier.as_microsecond()))
}

/// The time that a store keeps as microseconds since 1970.
#[must_use]
pub(crate) fn micros(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX)
}
