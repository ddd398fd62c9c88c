//! The stream that a payload names.

use std::fmt::{Display, Write};

/// What can stand in the name of an event's stream: everything that can be shown as text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an event",
    label = "a key becomes part of the stream's name, so it must implement `Display`",
    note = "use a `Uuid`, a number or a `String`, or write `impl std::fmt::Display for {Self}`"
)]
pub trait Key {
    /// The key as a part of a name.
    fn part(&self) -> &dyn Display;
}

#[diagnostic::do_not_recommend]
impl<T: Display> Key for T {
    fn part(&self) -> &dyn Display {
        self
    }
}

/// Puts a stream's name together.
#[must_use]
pub fn stream_of(parts: &[&dyn Display]) -> Option<String> {
    let mut name = String::new();
    for part in parts {
        // Writing to a string fails only when a `Display` does; then the event names no stream.
        write!(name, "{part}").ok()?;
    }
    Some(name)
}
