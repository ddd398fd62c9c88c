//! Which events a statement selects.

use super::tables::Statement;
use crate::{
    clock::{Timestamp, micros},
    event::name::EventName,
    store::Selection,
};

/// Whether an event is selected, by the parameters that [`bind_selection`] binds.
macro_rules! selected {
    ($names:literal, $from:literal, $until:literal) => {
        concat!(
            "(",
            $names,
            "::text[] IS NULL OR name = ANY(",
            $names,
            ")) AND (",
            $from,
            "::bigint IS NULL OR (",
            $from,
            " <= time AND time < ",
            $until,
            "::bigint))"
        )
    };
}
pub(super) use selected;

/// Binds names and times to three parameters; what is NULL selects everything.
pub(super) fn bind_selection(statement: Statement, selection: &Selection) -> Statement {
    let (names, times) = match selection {
        Selection::All => (None, None),
        Selection::Names(names) => (Some(names), None),
        Selection::Between { names, from, until } => {
            (Some(names).filter(|names| !names.is_empty()), Some((from, until)))
        }
    };
    let names: Option<Vec<&str>> = names.map(|names| names.iter().map(EventName::as_str).collect());
    let from = times.map(|(from, _)| first_micros(*from));
    let until = times.map(|(_, until)| first_micros(*until));
    statement.bind(names).bind(from).bind(until)
}

/// The first microsecond that is not before a time: rows know no shorter steps.
pub(super) fn first_micros(time: Timestamp) -> i64 {
    let whole = time.as_microsecond();
    if micros(whole) < time { whole.saturating_add(1) } else { whole }
}
