//! All that expansions may name. Nothing here is public in the sense of semantic versioning.

pub use crate::{
    event::{Data, Event, EventEntry, EventSet, Upcast},
    handler::{
        Class, Classify, Failure, FromContext, Location, Need, State,
        delivery::{Delivery, HandlerFuture, HandlerOutput, HandlerResult, Outcome, RunError, run},
        entry::{HandlerEntry, Listen, OnDead, Options, StartAt},
        failure::{Classifier, class_of},
    },
    retry::RetryPolicy,
};
pub use ::{inventory, serde, serde_json};
