//! Kairo: the event backbone of a Rust service.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The macros' expansions say `::kairo`, in this crate too.
extern crate self as kairo;

// In reading order: a file imports only rooms above its own.
pub mod clock;
pub mod error;
pub mod event;
pub mod handler;
mod observe;
pub mod retry;

pub mod delivery;

pub(crate) mod engine;
pub mod bus;
pub mod store;

pub mod backend;

mod engine;
pub mod bus;

pub mod prelude;

#[doc(hidden)]
pub mod __private;

pub use self::{
    engine::registry::{Crate, CrateSummary, WiredHandler, Wiring},
    error::{Error, Result},
    event::{
        Event, EventSet, Upcast, Validate,
        envelope::{AnyEvent, Envelope},
        name::{EventName, StreamName},
    },
    handler::{Attempt, Classify, Context, Failure, FromContext, State},
    retry::RetryPolicy,
    store::{Position, Version},
};
pub use kairo_macros::{Classify, Event, data, event, events, handler, handlers, on_dead_letter};
pub use uuid::Uuid;

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
