//! What most files need: `use kairo::prelude::*;`.

pub use crate::{
    AnyEvent, Attempt, Classify, Context, DeadLetter, Envelope, Event, EventSet, Failure,
    FromContext, IdempotencyKey, Kairo, LetterFilter, Outcome, Publisher, RetryPolicy, State, Tx,
    Upcast, Uuid, Version, aggregate, apply, data, event, events, handler, handlers,
    on_dead_letter,
};
// From where they are, because the crate's `saga` is a module, too.
pub use kairo_macros::{compensate, migrate, on_complete, on_error, saga, step};
