//! Handlers: what they take, what they return, how they fail, and how they are registered.

pub mod context;
pub mod delivery;
pub mod entry;
pub mod failure;
pub mod receive;

pub use self::{
    context::{Attempt, Context, FromContext, Need, State},
    entry::Location,
    failure::{Class, Classify, Failure},
};
