//! What most files need: `use kairo::prelude::*;`.

pub use crate::{
    AnyEvent, Attempt, Classify, Context, Envelope, Event, EventSet, Failure, FromContext, State,
    Upcast, Uuid, data, event, events, handler, handlers, on_dead_letter,
};
