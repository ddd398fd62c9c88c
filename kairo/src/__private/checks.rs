//! Rules about two items of the user's, which only the compiler sees together: constants that
//! panic with a message when they do not hold.

use super::text::{Text, contains, distance, same};
use crate::{
    event::pattern::matches,
    handler::entry::{Intake, Listen},
};

/// The name in `#[handler(event = "..")]` must be that of its argument.
///
/// # Panics
/// At compile time, when it is not.
#[track_caller]
pub const fn check_event_name(handler: &str, written: &str, argument: &str, intake: Intake) {
    if let Listen::Event(actual) = intake.listen
        && same(actual, written)
    {
        return;
    }
    let names = intake.members;
    if intake.open || contains(names, written) {
        return;
    }
    let Listen::Event(actual) = intake.listen else {
        let text = Text::new().then("handler `").then(handler).then("` is declared for \"");
        let text = text.then(written).then("\", but its argument `").then(argument);
        let text = text.then("` holds only ").then_list(names);
        let text = text.then("\nhelp: write one of these names, or add a variant that holds \"");
        let text = text.then(written).then("\" to `").then(argument).then("`");
        panic!("{}", text.as_str())
    };
    if distance(written, actual) <= 2 {
        let text = Text::new().then("no event is named \"").then(written).then("\" here: `");
        let text = text.then(argument).then("` is the event \"").then(actual);
        let text = text.then("\"\nhelp: did you mean `event = \"").then(actual).then("\"`?");
        panic!("{}", text.as_str())
    }
    let text = Text::new().then("handler `").then(handler).then("` is declared for \"");
    let text = text.then(written).then("\", but its argument `").then(argument);
    let text = text.then("` is the event \"").then(actual);
    let text = text.then("\"\nhelp: write `event = \"").then(actual);
    let text = text.then("\"`, or take the payload type of \"").then(written);
    let text = text.then("\" instead of `").then(argument).then("`");
    panic!("{}", text.as_str())
}

/// An `#[on_dead_letter]` takes a dead letter.
///
/// # Panics
/// At compile time, when it takes another event.
#[track_caller]
pub const fn check_dead_letter(handler: &str, argument: &str, names: &[&str]) {
    if contains(names, <crate::delivery::DeadLetter as crate::Event>::NAME) {
        return;
    }
    let text = Text::new().then("`#[on_dead_letter]` handler `").then(handler);
    let text =
        text.then("` takes `").then(argument).then("`, but what it is told is a dead letter");
    let text = text.then("\nhelp: write `letter: &DeadLetter`, or use `#[handler]` to handle `");
    let text = text.then(argument).then("` itself");
    panic!("{}", text.as_str())
}

/// A pattern must match every member of a typed event enum.
///
/// # Panics
/// At compile time, when it misses one.
#[track_caller]
pub const fn check_pattern(pattern: &str, set: &str, names: &[&str]) {
    let mut missed = 0;
    let mut text = Text::new().then("pattern \"").then(pattern);
    text = text.then("\" does not match every event of `").then(set);
    text = text.then("`; it can never receive ");
    let mut i = 0;
    while i < names.len() {
        if !matches(pattern, names[i]) {
            let comma = if missed == 0 { "\"" } else { ", \"" };
            text = text.then(comma).then(names[i]).then("\"");
            missed += 1;
        }
        i += 1;
    }
    if 0 < missed {
        text = text.then("\nhelp: widen the pattern, or use a smaller `#[events]` enum");
        panic!("{}", text.as_str())
    }
}

/// Each event occurs once in a typed event enum.
///
/// # Panics
/// At compile time, when one occurs twice.
#[track_caller]
pub const fn check_unique(set: &str, names: &[&str]) {
    let mut i = 0;
    while i < names.len() {
        let (before, _) = names.split_at(i);
        if contains(before, names[i]) {
            let text = Text::new().then("two variants of `").then(set).then("` are the event \"");
            let text = text.then(names[i]).then("\"");
            let text = text.then("\nhelp: remove one of them: an event occurs once in a set");
            panic!("{}", text.as_str())
        }
        i += 1;
    }
}

/// The members of a typed event enum are all durable or all ephemeral.
///
/// # Panics
/// At compile time, when they differ.
#[track_caller]
pub const fn check_temper(set: &str, ephemeral: &[bool], names: &[&str]) {
    let mut i = 1;
    while i < ephemeral.len() {
        if ephemeral[i] != ephemeral[0] {
            let (one, other) = if ephemeral[0] { (i, 0) } else { (0, i) };
            let text =
                Text::new().then("`").then(set).then("` mixes durable and ephemeral events: \"");
            let text = text.then(names[one]).then("\" is in the log, \"").then(names[other]);
            let text = text.then("\" lives in memory only\nhelp: use one enum for each kind");
            panic!("{}", text.as_str())
        }
        i += 1;
    }
}

/// An older version is the same event, exactly one version older.
///
/// # Panics
/// At compile time, when it is not.
#[track_caller]
pub const fn check_upcast(
    new: &str,
    name: &str,
    schema: u32,
    old: &str,
    old_name: &str,
    old_schema: u32,
) {
    if !same(name, old_name) {
        let text = Text::new().then("`").then(old).then("` is the event \"").then(old_name);
        let text = text.then("\", but `").then(new).then("` is \"").then(name);
        let text = text.then("\": an older version must have the same name");
        let text = text.then("\nhelp: write `#[event(\"").then(name).then("\")]` on `").then(old);
        panic!("{}", text.then("`").as_str())
    }
    if old_schema + 1 != schema {
        let text = Text::new().then("`").then(old).then("` is version ").then(digit(old_schema));
        let text = text.then(" of \"").then(name).then("\", but `").then(new);
        let text = text.then("` is version ").then(digit(schema));
        let text = text.then("\nhelp: use the type of the version just before it in `from(..)`");
        panic!("{}", text.as_str())
    }
}

/// `ephemeral` is for handlers of ephemeral events.
///
/// # Panics
/// At compile time, when the events are durable.
#[track_caller]
pub const fn check_ephemeral(handler: &str, argument: &str, ephemeral: bool, open: bool) {
    if ephemeral || open {
        return;
    }
    let text = Text::new().then("handler `").then(handler).then("` is `ephemeral`, but `");
    let text = text.then(argument).then("` is a durable event\nhelp: remove `ephemeral`, or add ");
    let text = text.then("it to the `#[event(..)]` of `").then(argument).then("`");
    panic!("{}", text.as_str())
}

/// Some options need the log.
///
/// # Panics
/// At compile time, when the handler's events are ephemeral.
#[track_caller]
pub const fn check_durable(option: &str, argument: &str, ephemeral: bool) {
    if !ephemeral {
        return;
    }
    let text = Text::new().then("`").then(option).then("` needs the log, but `").then(argument);
    let text = text.then("` is an ephemeral event, handled in memory\nhelp: remove `");
    let text = text.then(option).then("`");
    panic!("{}", text.as_str())
}

/// A small number as text; nobody has hundreds of versions in one message.
const fn digit(number: u32) -> &'static str {
    const DIGITS: [&str; 21] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        "17", "18", "19", "20",
    ];
    if number < 21 { DIGITS[number as usize] } else { "another" }
}
