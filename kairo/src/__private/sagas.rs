//! Rules about a saga and the event that starts it, as constants that panic with a message when they
//! do not hold.

use super::text::{Text, distance, same};

/// The event that starts a saga is the saga's input, and is in the log.
///
/// # Panics
/// At compile time, when it is not.
#[track_caller]
pub const fn check_start(saga: &str, on: &str, input: &str, name: &str, ephemeral: bool) {
    if !same(on, name) {
        let text = Text::new().then("saga `").then(saga).then("` starts on \"").then(on);
        let text = text.then("\", but its input `").then(input).then("` is the event \"");
        let text = text.then(name).then("\"\nhelp: ");
        let meant = distance(on, name) <= 2;
        let text = text.then(if meant { "did you mean" } else { "write" });
        let text = text.then(" `on = \"").then(name).then(if meant { "\"`?" } else { "\"`" });
        panic!("{}", text.as_str())
    }
    if ephemeral {
        let text = Text::new().then("`").then(input).then("` is an ephemeral event: it is in no ");
        let text = text.then("log, so saga `").then(saga);
        let text = text.then("` could not be started by it again\nhelp: remove `ephemeral` from ");
        let text = text.then("its `#[event(..)]`, or start the saga with `.start(..)`");
        panic!("{}", text.as_str())
    }
}
