//! Sagas: what must happen in several places, and be undone where it cannot happen in all.
//!
//! A saga is an `impl` block whose methods are its steps, and the compensations that undo them. What
//! is about to happen is written down before it happens, and what has happened after it, so that
//! any process of the service can carry a saga on from wherever another one stopped.

#[doc(hidden)]
pub mod storable;
mod code;
mod event;
mod handle;
mod outcome;
mod status;
mod sagas;
mod wait;
mod on;

pub use self::{
    code::{Saga, SagaStep, View},
    event::SagaEvent,
    handle::SagaRef,
    on::start_saga,
    outcome::{Outcome, SagaError},
    sagas::{SagaInfo, Sagas},
    status::Status,
};
pub use crate::{
    blueprint::{Blueprint, OnUnknown},
    journal::{
        Phase, SagaFilter,
        events::{
            Cause, SagaCompensated, SagaCompleted, SagaFailed, SagaFailure, SagaStarted,
            SagaStepCompleted, SagaStuck,
        },
        slot::{Attempts, Done, Failed, Pending, Place, Running, Slot, Undoing, Undone, Unknown},
    },
};
