//! What repositories promise, topic by topic.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends the test")]

mod changes;
mod conflicts;
mod events;
mod hooks;
mod ids;
mod older;
mod queries;
mod transactions;

use kairo::prelude::*;

/// The entity of most tests.
#[repository("users")]
#[derive(PartialEq)]
pub(crate) struct User {
    #[id]
    id: u64,
    #[garde(length(min = 1))]
    name: String,
    #[garde(email)]
    #[unique]
    email: String,
    #[index]
    age: u32,
    nick: Option<String>,
}

/// A user whose other fields follow from the id and the name.
fn user(id: u64, name: &str) -> User {
    let email = format!("{}@example.com", name.to_lowercase());
    User { id, name: name.to_owned(), email, age: 36, nick: None }
}

/// Whether an error says this.
#[track_caller]
fn says<T: std::fmt::Debug>(result: kairo::Result<T>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}
