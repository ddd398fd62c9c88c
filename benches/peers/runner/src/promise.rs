//! What is promised of a row, against another row of its suite.

use std::fmt;

use crate::suite::Unit;

/// How a row should compare with another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) row: &'static str,
    pub(crate) against: &'static str,
    pub(crate) bound: Bound,
}

/// A bound of a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// At least so many times as fast.
    Speed(f64),
    /// At most so many times the time.
    Time(f64),
}

impl Promise {
    pub(crate) const fn speed(row: &'static str, against: &'static str, times: f64) -> Self {
        Self { row, against, bound: Bound::Speed(times) }
    }

    pub(crate) const fn time(row: &'static str, against: &'static str, times: f64) -> Self {
        Self { row, against, bound: Bound::Time(times) }
    }
}

impl Bound {
    /// The ratio that is bound, of the row's figure and the other's.
    pub(crate) fn ratio(self, unit: Unit, figure: f64, other: f64) -> f64 {
        let speed = unit.speed(figure, other);
        match self {
            Self::Speed(_) => speed,
            Self::Time(_) => speed.recip(),
        }
    }

    pub(crate) fn is_kept(self, ratio: f64) -> bool {
        match self {
            Self::Speed(least) => least <= ratio,
            Self::Time(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Speed(least) => write!(f, "≥ {least} × the speed"),
            Self::Time(most) => write!(f, "≤ {most} × the time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_rate_is_twice_the_speed() {
        let ratio = Bound::Speed(2.0).ratio(Unit::Events, 200.0, 100.0);
        assert!(Bound::Speed(2.0).is_kept(ratio));
        assert!(!Bound::Speed(2.1).is_kept(ratio));
    }

    #[test]
    fn half_the_nanoseconds_are_twice_the_speed_and_half_the_time() {
        let speed = Bound::Speed(2.0).ratio(Unit::Nanos, 50.0, 100.0);
        let time = Bound::Time(0.5).ratio(Unit::Nanos, 50.0, 100.0);
        assert!(Bound::Speed(2.0).is_kept(speed) && !Bound::Speed(2.1).is_kept(speed));
        assert!(Bound::Time(0.5).is_kept(time) && !Bound::Time(0.4).is_kept(time));
    }
}
