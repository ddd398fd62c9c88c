#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Errors that say whether trying again can help.

use kairo::{
    Classify, Failure,
    handler::Class::{Permanent, Retryable},
};

#[derive(Debug, thiserror::Error, Classify)]
enum MailError {
    #[error("no such address: {0}")]
    #[permanent]
    NoSuchAddress(String),
    #[error("busy")]
    #[retryable]
    Busy,
    #[error("down for {seconds} s")]
    Down { seconds: u64 },
}

#[derive(Debug, thiserror::Error, Classify)]
#[error("refused")]
#[permanent]
struct Refused;

#[derive(Debug, thiserror::Error, Classify)]
#[permanent]
enum Mostly {
    #[error("lost")]
    Lost,
    #[error("late")]
    #[retryable]
    Late,
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Refused);

fn main() {
    assert_eq!(Failure::from(MailError::NoSuchAddress("x".into())).class(), Permanent);
    assert_eq!(Failure::from(MailError::Busy).class(), Retryable);
    assert_eq!(Failure::from(MailError::Down { seconds: 1 }).class(), Retryable);
    assert_eq!(Failure::from(Refused).class(), Permanent);
    assert_eq!(Failure::from(Mostly::Lost).class(), Permanent);
    assert_eq!(Failure::from(Mostly::Late).class(), Retryable);
    assert_eq!(Failure::from(Outer(Refused)).class(), Permanent);
}
