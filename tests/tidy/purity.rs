//! Time and chance come from `clock` alone, and features are told apart in few places.

use crate::source::{Source, assert_none, library, words};

/// Sequences of words that read a clock, roll dice or sleep.
const IMPURE: &[&[&str]] = &[
    &["SystemTime"],
    &["Instant", ":", ":", "now"],
    &["Timestamp", ":", ":", "now"],
    &["Zoned", ":", ":", "now"],
    &["time", ":", ":", "sleep"],
    &["time", ":", ":", "interval"],
    &["thread", ":", ":", "sleep"],
    &["new_v4"],
    &["now_v7"],
    &["RandomState"],
];

/// Where features may be told apart, with the reason.
const FEATURED: &[(&str, &str)] = &[
    ("lib.rs", "it lists the rooms"),
    ("backend/mod.rs", "it lists the back ends and opens their URLs"),
    ("validation/mod.rs", "it lists the libraries that rules can be written with"),
    ("clock.rs", "only tests can make a clock that is moved by hand"),
];

fn has(words: &[String], sequence: &[&str]) -> bool {
    words.windows(sequence.len()).any(|window| window.iter().eq(sequence))
}

fn impurities(source: &Source) -> Vec<String> {
    let words = words(source.tokens());
    let found = IMPURE.iter().filter(|sequence| has(&words, sequence));
    found.map(|sequence| format!("{} has `{}`", source.path, sequence.concat())).collect()
}

#[test]
fn time_and_chance_come_from_the_clock() {
    let offences: Vec<_> = (library().iter())
        .filter(|source| source.path != "clock.rs")
        .flat_map(impurities)
        .collect();
    assert_none("time and chance come from `clock`", &offences);
}

#[test]
fn features_are_told_apart_in_few_places() {
    let is_listed = |source: &Source| FEATURED.iter().any(|(path, _)| source.path == *path);
    let offences: Vec<_> = (library().iter())
        .filter(|source| !is_listed(source))
        .filter(|source| has(&words(source.tokens()), &["feature", "="]))
        .map(|source| source.path.clone())
        .collect();
    assert_none("`cfg(feature = ..)` lives where `FEATURED` says", &offences);
}
