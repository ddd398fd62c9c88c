//! Rules about a pipeline, its event and its input, as constants that panic with a message when they do not
//! hold; and what else its expansion names.

use std::num::NonZeroU32;

use super::text::{Text, distance, same};
use crate::pipeline::Stage;

/// The number of a first attempt.
pub const FIRST_ATTEMPT: NonZeroU32 = NonZeroU32::MIN;

/// The names of stages, in order.
#[must_use]
pub fn stage_names(stages: &[Stage]) -> Vec<&str> {
    stages.iter().map(|stage| &*stage.name).collect()
}

/// The event that runs a pipeline is the pipeline's input, and is in the log.
///
/// # Panics
/// At compile time, when it is not.
#[track_caller]
pub const fn check_on(pipeline: &str, on: &str, input: &str, name: &str, ephemeral: bool) {
    if !same(on, name) {
        let text = Text::new().then("pipeline `").then(pipeline).then("` runs on \"").then(on);
        let text = text.then("\", but its input `").then(input).then("` is the event \"");
        let text = text.then(name).then("\"\nhelp: ");
        let meant = distance(on, name) <= 2;
        let text = text.then(if meant { "did you mean" } else { "write" });
        let text = text.then(" `on = \"").then(name).then(if meant { "\"`?" } else { "\"`" });
        panic!("{}", text.as_str())
    }
    if ephemeral {
        let text = Text::new().then("`").then(input).then("` is an ephemeral event: it is in no ");
        let text = text.then("log, so pipeline `").then(pipeline);
        let text = text.then("` could not run on it again\nhelp: remove `ephemeral` from its ");
        let text = text.then("`#[event(..)]`, or run the pipeline with `.execute(..)`");
        panic!("{}", text.as_str())
    }
}

/// Rules that are written with garde are known here.
///
/// # Panics
/// At compile time, when they would not be checked.
#[track_caller]
pub const fn check_rules(pipeline: &str, input: &str, by_garde: bool, by_kairo: bool) {
    if by_garde && !by_kairo {
        let text = Text::new().then("`").then(input).then("` has rules of garde, which pipeline `");
        let text =
            text.then(pipeline).then("` would not check\nhelp: turn on the feature `garde` ");
        let text =
            text.then("of kairo in Cargo.toml, use the garde that it uses (0.23), and give ");
        let text = text.then("the context of the rules a `Default`");
        panic!("{}", text.as_str())
    }
}
