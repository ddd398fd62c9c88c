//! Which part of a run is measured.

use std::time::{Duration, Instant};

/// How long a participant runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// The measured part of a run.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    /// A window that opens after a warm-up, and is open for so many seconds.
    #[must_use]
    pub fn after_warm_up(seconds: f64) -> Self {
        let begin = Instant::now() + WARM_UP;
        Self { begin, end: begin + Duration::from_secs_f64(seconds) }
    }

    /// Whether a piece of work that ends now is measured.
    #[must_use]
    pub fn is_open(self) -> bool {
        (self.begin..self.end).contains(&Instant::now())
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.end <= Instant::now()
    }

    /// So many pieces of work per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(self, count: usize) -> f64 {
        count as f64 / (self.end - self.begin).as_secs_f64()
    }
}

/// The time since `start`, in microseconds.
pub(crate) fn micros_since(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX)
}
