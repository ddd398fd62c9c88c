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
pub mod store;

pub mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use self::{
    error::{Error, Result},
    event::{
        Event, EventSet, Upcast,
        envelope::{AnyEvent, Envelope},
        name::{EventName, StreamName},
    },
    handler::{Attempt, Classify, Context, Failure, FromContext, State},
    retry::RetryPolicy,
    store::{Position, Version},
};
