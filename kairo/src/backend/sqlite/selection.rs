//! Selections as SQL, so that other events are not even read.

use rusqlite::ToSql;

use crate::{
    clock::{Timestamp, micros},
    event::name::EventName,
    store::Selection,
};

/// What a selection asks of a row of the log.
pub(super) struct Condition<'a> {
    /// Begins with `AND`, unless everything is selected.
    pub(super) sql: String,
    times: Vec<i64>,
    names: Vec<&'a str>,
}

impl<'a> Condition<'a> {
    /// The condition, whose parameters are numbered from `first` on.
    pub(super) fn new(selection: &'a Selection, first: usize) -> Self {
        match selection {
            Selection::All => Self { sql: String::new(), times: Vec::new(), names: Vec::new() },
            Selection::Names(names) => {
                let sql = format!("AND name IN ({})", marks(first, names.len()));
                Self { sql, times: Vec::new(), names: texts(names) }
            }
            Selection::Between { names, from, until } => {
                let of_names = match names.as_slice() {
                    [] => String::new(),
                    names => format!(" AND name IN ({})", marks(first + 2, names.len())),
                };
                let sql = format!("AND ?{first} <= time AND time < ?{}{of_names}", first + 1);
                let times = vec![first_micros(*from), first_micros(*until)];
                Self { sql, times, names: texts(names) }
            }
        }
    }

    /// The values of its parameters.
    pub(super) fn values(&self) -> impl Iterator<Item = &dyn ToSql> {
        let times = self.times.iter().map(|time| -> &dyn ToSql { time });
        times.chain(self.names.iter().map(|name| -> &dyn ToSql { name }))
    }
}

/// The parameters of a list of values, `?4, ?5`.
fn marks(first: usize, count: usize) -> String {
    let marks: Vec<_> = (first..).take(count).map(|number| format!("?{number}")).collect();
    marks.join(", ")
}

fn texts(names: &[EventName]) -> Vec<&str> {
    names.iter().map(EventName::as_str).collect()
}

/// The first whole microsecond that is not before a time.
pub(super) fn first_micros(time: Timestamp) -> i64 {
    let whole = time.as_microsecond();
    if micros(whole) < time { whole.saturating_add(1) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_between_two_microseconds_is_rounded_up() {
        for (nanos, expected) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (-1, 0), (-1_000, -1)] {
            let time = Timestamp::from_nanosecond(nanos).unwrap();
            assert_eq!(first_micros(time), expected, "{nanos} ns");
        }
    }
}
