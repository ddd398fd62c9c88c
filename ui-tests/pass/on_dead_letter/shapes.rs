#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Functions that are told of dead letters.

use kairo::{delivery::DeadLetter, prelude::*};

#[on_dead_letter]
async fn alert(_letter: &DeadLetter) {}

#[on_dead_letter(name = "ops", timeout = "1m", filter = is_ours)]
async fn in_an_envelope(_letter: Envelope<DeadLetter>, _attempt: Attempt) -> Result<(), Failure> {
    Ok(())
}

fn is_ours(letter: &DeadLetter) -> bool {
    letter.subscription.starts_with("shop")
}

fn main() {}
