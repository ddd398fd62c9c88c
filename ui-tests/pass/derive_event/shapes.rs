#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! A type with its derives becomes an event by one more.

use kairo::prelude::*;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Event)]
#[kairo(event = "user.created", validate)]
struct UserCreated {
    #[key]
    user_id: u64,
}

impl kairo::Validate for UserCreated {
    fn validate(&self) -> Result<(), kairo::Violations> {
        Ok(())
    }
}

#[data]
#[derive(Event)]
#[kairo(event = "user.deleted", stream = "user-{user_id}")]
struct UserDeleted {
    user_id: u64,
}

fn main() {
    assert_eq!(UserCreated { user_id: 1 }.stream().as_deref(), Some("user-1"));
    assert_eq!(UserDeleted { user_id: 1 }.stream().as_deref(), Some("user-1"));
}
