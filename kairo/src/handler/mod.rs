//! Handlers: what they take, what they return, how they fail, and how they are registered.

pub mod context;
#[doc(hidden)]
pub mod delivery;
#[doc(hidden)]
pub mod entry;
pub mod failure;
#[doc(hidden)]
pub mod receive;

pub use self::{
    context::{Attempt, Context, FromContext, IdempotencyKey, Need, State},
    delivery::{ClosureOutput, HandlerOutput, HandlerResult, RunError},
    entry::{Location, StartAt},
    failure::{Class, Classify, Failure, IntoFailure},
    receive::{Filter, Receive},
};
