//! What most files need: `use kairo::prelude::*;`.

pub use crate::{
    AnyEvent, Attempt, Classify, Context, Created, DeadLetter, Deleted, Envelope, Event, EventSet,
    Failure, FromContext, IdempotencyKey, Kairo, LetterFilter, Outcome, PipelineError, Publisher,
    Repository, RetryPolicy, State, Tx, Upcast, Updated, Uuid, Version, aggregate, apply, data,
    event, events, handler, handlers, on_dead_letter,
};
// From where they are, because the crate's `pipeline`, `repository` and `saga` are modules, too.
pub use kairo_macros::{
    compensate, emit, filter, map, migrate, on_complete, on_error, on_success, pipeline,
    repository, saga, step,
};
