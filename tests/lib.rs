//! Tests of the whole library, as its users see it. This crate is also a library that an
//! application links: it has an event and a handler of its own.

pub mod support;

use kairo::prelude::*;

kairo::export!();

/// An event of a linked crate.
#[event("linked.started")]
pub struct LinkedStarted {
    /// Who has started.
    pub name: String,
}

/// A handler of a linked crate.
#[handler(event = "linked.started")]
pub async fn note(_started: &LinkedStarted) {}
