//! The runner of all benches: a limit and Kairo in turns, medians, and what was promised.
//!
//! A round measures the limit and Kairo one after the other, and the next round the other way
//! round, so that whatever else the machine does hits both alike. Nothing is asserted: a number
//! that misses its bound says so, and a person decides what that means.

use std::{env, fmt, time::Duration};

/// How often each side is measured.
const ROUNDS: usize = 7;

/// How often with `--quick`.
const ROUNDS_QUICK: usize = 3;

/// By how much less work `--quick` does.
const QUICK_SHARE: u64 = 10;

/// What is promised of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// At most so many times the limit: for times.
    UpTo(f64),
    /// At least so many times the limit: for rates.
    From(f64),
    /// At most so much above the limit, in the unit of the row.
    Beyond(f64),
}

impl Promise {
    fn figure(self, limit: f64, kairo: f64) -> f64 {
        match self {
            Self::UpTo(_) | Self::From(_) => kairo / limit,
            Self::Beyond(_) => kairo - limit,
        }
    }

    fn is_kept(self, figure: f64) -> bool {
        match self {
            Self::UpTo(bound) | Self::Beyond(bound) => figure <= bound,
            Self::From(bound) => bound <= figure,
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpTo(bound) => write!(f, "<= {bound} x"),
            Self::From(bound) => write!(f, ">= {bound} x"),
            Self::Beyond(bound) => write!(f, "<= {bound} above"),
        }
    }
}

/// Runs the rows of one bench.
#[derive(Debug)]
pub(crate) struct Runner {
    quick: bool,
}

impl Runner {
    /// A runner as the command line asks for it: `--quick` does a tenth of the work.
    pub(crate) fn new(title: &str) -> Self {
        let quick = env::args().any(|argument| argument == "--quick");
        println!("\n{title}{}", if quick { " (quick: too short to be quoted)" } else { "" });
        Self { quick }
    }

    /// So much work, or a tenth of it.
    pub(crate) fn work(&self, full: u64) -> u64 {
        if self.quick { full.div_ceil(QUICK_SHARE) } else { full }
    }

    /// So much time, or a tenth of it.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        if self.quick { full / 10 } else { full }
    }

    /// Measures both sides in turns, and prints the medians and what was promised.
    pub(crate) fn compare(
        &self,
        row: &str,
        unit: &str,
        promise: Promise,
        mut limit: impl FnMut() -> f64,
        mut kairo: impl FnMut() -> f64,
    ) {
        let rounds = if self.quick { ROUNDS_QUICK } else { ROUNDS };
        let (mut limits, mut kairos) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round % 2 == 0 {
                limits.push(limit());
                kairos.push(kairo());
            } else {
                kairos.push(kairo());
                limits.push(limit());
            }
        }
        let (limit, kairo) = (median(&mut limits), median(&mut kairos));
        let figure = promise.figure(limit, kairo);
        let kept = if promise.is_kept(figure) { "kept" } else { "MISSED" };
        println!(
            "  {figure:>7.2} (promised {promise}: {kept}) {row}: kairo {}, limit {} {unit}",
            number(kairo),
            number(limit),
        );
    }
}

/// Prints a number that stands for itself.
pub(crate) fn state(row: &str, unit: &str, bound: f64, value: f64) {
    let kept = if value <= bound { "kept" } else { "MISSED" };
    println!("  {value:>7.2} (promised <= {bound}: {kept}) {row}: {unit}");
}

/// The value in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A number with as many digits as matter.
fn number(value: f64) -> String {
    if 100.0 <= value { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// Tells how much time has passed since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a bench reads the clock itself")]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Nanoseconds for each of `count` pieces of work.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn nanos_each(self, count: u64) -> f64 {
        self.elapsed().as_nanos() as f64 / count as f64
    }

    /// Pieces of work per second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn per_second(self, count: u64) -> f64 {
        count as f64 / self.elapsed().as_secs_f64()
    }
}
