//! All that expansions may name. Nothing here is public in the sense of semantic versioning.

pub mod aggregates;
pub mod checks;
pub mod pipelines;
pub mod sagas;
mod text;

pub use std::{
    borrow::Cow,
    clone::Clone,
    convert::From,
    fmt::{Debug, Display, Formatter, Result as FmtResult},
    option::Option::{self, None, Some},
    result::Result::{self, Err, Ok},
    string::String,
    sync::Arc,
    time::Duration,
    vec::Vec,
};

pub use self::aggregates::{check_applied_once, check_in_log, check_member, check_members};
pub use self::checks::{
    check_dead_letter, check_durable, check_ephemeral, check_event_name, check_pattern,
    check_temper, check_unique, check_upcast,
};
pub use self::pipelines::{FIRST_ATTEMPT, check_on, check_rules, stage_names};
pub use self::sagas::check_start;
pub use crate::{
    aggregate::{
        Aggregate, Blank, Folded, Folding, Members, Snapshots, Snapshotted, applied, enveloped,
        fingerprint,
    },
    blueprint::{
        Blueprint, Given, Migration, OnUnknown, SagaEntry, Step, StepError, StepFuture, Takes,
        Undo, fingerprint as shape_of, pipeline::PipelineEntry,
    },
    documents::{Collection, EntityEntry, EventNames, Index},
    error::{DecodeError, Error},
    event::{
        Data, Event, EventEntry, EventSet, Upcast, decode_from,
        envelope::{AnyEvent, Envelope},
        event_entry,
        fact::Fact,
        fits,
        key::{Key, stream_of},
        publishable::{InMemory, Publishable, inline_draft, member_draft, member_in_memory},
        record::Draft,
        record::Recorded,
    },
    handler::{
        Class, Classify, Failure, FromContext, Need, State,
        delivery::{
            Delivery, EventRef, HandlerFuture, HandlerOutput, HandlerResult, Outcome, RunError, run,
        },
        entry::{HandlerEntry, Intake, Listen, OnDead, Options, StartAt},
        failure::{Classified, Classifier},
        receive::{
            Filter, Receive, done, encoded, gather, not_a_member, service, set_borrow,
            set_envelope, set_own,
        },
    },
    journal::{Phase, slot::Slot},
    pipeline::{
        Emission, EmittedFrom, Miss, Pipeline, PipelineError, Repeat, Run, Settings, Stage, Tells,
        Yields, run_pipeline,
    },
    repository::{
        Created, Deleted, Emits, Entity, Field, HookCalls, Hooks, Patch, Updated, Upgrade,
        Versioned, decode_shape, entity_entry,
    },
    retry::RetryPolicy,
    saga::{
        Saga, SagaEvent, SagaFailure, SagaStep, View, start_saga,
        storable::{Fallible, Shown, ShownAsIs, ShownByName, Storable, run_step},
    },
    store::BoxFuture,
    validation::{CheckedByRules, Ruled, Unruled, Validate, Violations},
};
pub use ::{inventory, serde, serde_json};
