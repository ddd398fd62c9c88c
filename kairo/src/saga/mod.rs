//! Sagas: what must happen in several places, and be undone where it cannot happen in all.

mod code;

pub use self::code::{Saga, SagaStep, View};
pub use crate::{
    blueprint::{Blueprint, OnUnknown},
    journal::{
        Phase,
        slot::{Done, Failed, Pending, Running, Slot, Undoing, Undone, Unknown},
    },
};
