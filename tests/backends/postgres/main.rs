//! The PostgreSQL store: the laws of every back end, and its own promises.
//!
//! Most of these tests need a server, which `./test` starts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod away;
mod deleting;
mod documents;
mod locked;
mod order;
mod place;
mod refused;
#[path = "../sagas.rs"]
mod sagas;
mod shared;
mod steps;
mod transactions;

use std::time::Duration;

use place::{Place, append, event, log, run};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

kairo::conformance!(
    laws,
    Place::new(),
    #[ignore = "needs PostgreSQL: run ./test"]
);

kairo::conformance!(
    laws_under_the_lock,
    Place::locked(),
    #[ignore = "needs PostgreSQL: run ./test"]
);
