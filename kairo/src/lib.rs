//! Kairo: the event backbone of a Rust service.
//!
//! A struct with [`#[event]`](macro@event) on it is a durable event, a function with
//! [`#[handler]`](macro@handler) on it reacts to it, and [`Kairo`] runs the two: everything that is
//! published is in the store before `publish` returns, and every subscription sees it, however
//! often the process is killed.
#![doc = ""]
#![doc = "```no_run"]
#![doc = include_str!("../../examples/examples/hello.rs")]
#![doc = "```"]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The macros' expansions say `::kairo`, in this crate too.
extern crate self as kairo;

// In reading order: a file imports only rooms above its own.
pub mod error;
pub mod clock;
mod observe;
mod nearest;
pub mod validation;
pub mod event;
pub mod handler;
pub mod retry;
#[doc(hidden)]
pub mod blueprint;

pub mod store;
pub mod lease;
pub mod journal;
pub mod documents;
pub mod delivery;

pub mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod testing;

mod engine;
pub mod bus;

pub mod repository;
pub mod aggregate;
pub mod pipeline;
pub mod saga;

pub mod prelude;
#[doc(hidden)]
pub mod __private;

pub use self::{
    aggregate::Aggregate,
    bus::{EventStore, Kairo, Outbox, Publish, Published, Publisher, Subscription},
    clock::Timestamp,
    delivery::{DeadLetter, LetterFilter, Reason},
    engine::{
        dispatch::Outcome,
        registry::{Crate, CrateSummary, WiredHandler, WiredRepository, Wiring},
        tx::Tx,
    },
    error::{Error, Result},
    event::{
        Event, EventSet, Upcast,
        envelope::{AnyEvent, Envelope},
        name::{EventName, StreamName},
    },
    handler::{Attempt, Classify, Context, Failure, FromContext, IdempotencyKey, State},
    pipeline::{Pipeline, PipelineError, pipeline},
    repository::{Created, Deleted, Repository, Updated},
    retry::RetryPolicy,
    saga::Saga,
    store::{Position, Version},
    validation::{Validate, Violations},
};
pub use kairo_macros::{
    Classify, Event, aggregate, apply, compensate, data, emit, event, events, filter, handler,
    handlers, map, migrate, on_complete, on_dead_letter, on_error, on_success, pipeline,
    repository, saga, step,
};
/// The driver of the stores in SQLite files, for own queries in a
/// [transaction](store::Transaction::connection) of such a store.
#[cfg(feature = "sqlite")]
pub use rusqlite;
pub use uuid::Uuid;

/// The driver of stores on PostgreSQL, for queries in their transactions.
///
/// What joins a transaction has to be written with this version of it, so say `kairo::sqlx`, or depend
/// on the same one.
#[cfg(feature = "postgres")]
pub use sqlx;

/// `serde_json`, for `json!(..)`.
// A module of its own: were the crate's `Value::String` visible in this one, rustc would write
// `std::string::String` for `String` in every message.
#[doc(hidden)]
pub mod serde_json {
    pub use ::serde_json::*;
}

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
