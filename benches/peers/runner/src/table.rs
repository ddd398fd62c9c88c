//! What is printed of a suite: a table of medians, and which promises are kept.

use std::fmt::Write;

use anyhow::Result;
use peers_core::Reply;

use crate::{
    promise::{Bound, Promise},
    run::Rounds,
    suite::{Row, Suite, Unit},
};

/// The table of a suite, and what it means for the promises.
pub(crate) fn of(suite: &Suite, rounds: usize, seen: &Rounds) -> String {
    let Suite { name, title, .. } = suite;
    let sync = median(seen.syncs.clone()).unwrap_or_default();
    let load = median(seen.loads.clone()).unwrap_or_default();
    let mut text = format!(
        "## {name}\n\n{title}; medians of rounds: {rounds}; a page is on the disk after {sync:.0} µs, \
         the load is {load:.1}\n\n",
    );
    text += &match suite.unit {
        Unit::Checks => checks(suite, seen),
        Unit::Events | Unit::Loads | Unit::Nanos => figures(suite, seen),
    };
    text
}

fn checks(suite: &Suite, seen: &Rounds) -> String {
    let mut text = "| participant | does | does not |\n|---|---|---|\n".to_owned();
    for (row, replies) in suite.rows.iter().zip(&seen.replies) {
        let line = match replies.last() {
            Some(Ok(Reply::Checked(checked))) => {
                let those = |wanted| {
                    let those = checked.iter().filter(|(_, does)| *does == wanted);
                    those.map(|(what, _)| what.as_str()).collect::<Vec<_>>().join(", ")
                };
                format!("{} | {}", those(true), those(false))
            }
            _ => "failed |".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {line} |", row.label);
    }
    text
}

fn figures(suite: &Suite, seen: &Rounds) -> String {
    let unit = suite.unit.name();
    let medians: Vec<_> = seen.replies.iter().map(|replies| median(all_figures(replies))).collect();
    let first = medians.first().copied().flatten();
    let mut text = format!(
        "| participant | {unit} | from .. to | × the speed of the first | half ≤ | 99 % ≤ | refused for nothing |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    for ((row, replies), median) in suite.rows.iter().zip(&seen.replies).zip(&medians) {
        let line = line(suite.unit, replies, *median, first);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {line} |", row.label);
    }
    text.push('\n');
    for promise in &suite.promises {
        let figure = |label| figure_of(&suite.rows, &medians, label);
        let outcome =
            outcome(promise.bound, suite.unit, figure(promise.row), figure(promise.against));
        let Promise { row, against, bound } = promise;
        let _ = writeln!(text, "- {row}, {bound} of {against}: {outcome}");
    }
    text
}

/// Whether a promise is kept; where one of the two has failed, nothing is known.
fn outcome(bound: Bound, unit: Unit, figure: Option<f64>, other: Option<f64>) -> String {
    let (Some(figure), Some(other)) = (figure, other) else {
        return "not measured".to_owned();
    };
    let ratio = bound.ratio(unit, figure, other);
    let kept = if bound.is_kept(ratio) { "kept" } else { "**missed**" };
    format!("{ratio:.2}, {kept}")
}

fn line(unit: Unit, replies: &[Result<Reply>], figure: Option<f64>, first: Option<f64>) -> String {
    let Some(figure) = figure else { return "failed | | | | |".to_owned() };
    let all = all_figures(replies);
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(0.0, f64::max);
    let ratio = first.map(|first| format!("{:.2}", unit.speed(figure, first)));
    let latency = |pick: fn(&Reply) -> Option<f64>| {
        let micros = replies.iter().flatten().filter_map(pick).collect();
        median(micros).map(|micros| format!("{:.2} ms", micros / 1_000.0)).unwrap_or_default()
    };
    format!(
        "{} | {} .. {} | {} | {} | {} | {}",
        number(figure),
        number(least),
        number(most),
        ratio.unwrap_or_default(),
        latency(half),
        latency(p99),
        conflicts(replies),
    )
}

fn figure_of(rows: &[Row], medians: &[Option<f64>], label: &str) -> Option<f64> {
    let (_, figure) = rows.iter().zip(medians).find(|(row, _)| row.label == label)?;
    *figure
}

fn all_figures(replies: &[Result<Reply>]) -> Vec<f64> {
    let figure = |reply: &Reply| match reply {
        Reply::Measured { figure, .. } => Some(*figure),
        Reply::Checked(_) | Reply::Done => None,
    };
    replies.iter().flatten().filter_map(figure).collect()
}

fn half(reply: &Reply) -> Option<f64> {
    match reply {
        Reply::Measured { latency, .. } => latency.map(|latency| f64::from(latency.median)),
        Reply::Checked(_) | Reply::Done => None,
    }
}

fn p99(reply: &Reply) -> Option<f64> {
    match reply {
        Reply::Measured { latency, .. } => latency.map(|latency| f64::from(latency.p99)),
        Reply::Checked(_) | Reply::Done => None,
    }
}

/// How many appends were refused in all rounds, though nobody else wrote to their stream.
fn conflicts(replies: &[Result<Reply>]) -> String {
    let count = |reply: &Reply| match reply {
        Reply::Measured { conflicts, .. } => *conflicts,
        Reply::Checked(_) | Reply::Done => 0,
    };
    match replies.iter().flatten().map(count).sum::<u64>() {
        0 => String::new(),
        some => some.to_string(),
    }
}

/// The value in the middle; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A number with as many digits as matter, and a comma before each three of them.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn nothing_is_known_of_a_promise_against_a_row_that_failed() {
        let outcome = |other| outcome(Bound::Speed(2.0), Unit::Events, Some(300.0), other);
        assert_eq!(outcome(None), "not measured");
        assert_eq!(outcome(Some(100.0)), "3.00, kept");
        assert_eq!(outcome(Some(200.0)), "1.50, **missed**");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!(number(123.0), "123");
        assert_eq!(number(12.34), "12.3");
    }
}
