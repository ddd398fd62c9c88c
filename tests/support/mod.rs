//! What tests of behaviour share: places to run in, journals of what handlers saw, deadlines.
#![expect(clippy::missing_panics_doc, reason = "what goes wrong in a test ends the test")]

pub mod accounts;
pub mod dice;
pub mod folder;
pub mod journal;
pub mod parcels;
pub mod patient;
pub mod place;
pub mod time;

use kairo::prelude::*;

pub use self::{
    dice::Dice,
    folder::{Book, Folder},
    journal::{Gate, Journal},
    patient::dies_at_first,
    place::{Place, on_each_store},
    time::{eventually, midnight, passing, soon},
};

/// The event that most tests publish: a number, in order under its key.
#[event("sample.taken")]
#[derive(PartialEq, Eq)]
pub struct Sample {
    /// The key, and with it the stream `sample-<key>`.
    #[key]
    pub key: String,
    /// What tells events of a key apart.
    pub number: u64,
}

/// A sample.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "`sample(1, 2)` reads better than `sample(&1, 2)`"
)]
pub fn sample(key: impl ToString, number: u64) -> Sample {
    Sample { key: key.to_string(), number }
}

/// What handlers of samples publish.
#[event("echo.heard")]
#[derive(PartialEq, Eq)]
pub struct Echo {
    /// The key of the sample.
    #[key]
    pub key: String,
    /// The number of the sample.
    pub number: u64,
}

impl From<&Sample> for Echo {
    fn from(sample: &Sample) -> Self {
        Self { key: sample.key.clone(), number: sample.number }
    }
}

/// An error that another attempt may cure.
#[derive(Debug)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("busy")
    }
}

impl std::error::Error for Busy {}

/// The events of this name in the log, in order.
pub async fn logged(kairo: &Kairo, name: &str) -> Vec<AnyEvent> {
    use futures_util::TryStreamExt;

    let log: Vec<AnyEvent> =
        kairo.store().log(kairo::Position::START).try_collect().await.expect("the log is read");
    log.into_iter().filter(|event| event.name() == name).collect()
}

/// All dead letters, oldest first.
pub async fn letters(kairo: &Kairo) -> Vec<DeadLetter> {
    kairo.dead_letters().list(LetterFilter::default()).await.expect("letters are listed")
}
