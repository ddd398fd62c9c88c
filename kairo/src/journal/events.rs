//! The events of a saga's life, which the bus carries as any others.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::DecodeError,
    event::{Event, decode_exactly},
};

/// Why a saga went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A step failed, or its outcome stayed unknown.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was up.
    Deadline,
}

/// Why a saga went no further, and at which step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaFailure {
    /// Why.
    pub cause: Cause,
    /// The step that failed, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What it failed with, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl std::fmt::Display for SagaFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.step, self.cause) {
            (Some(step), _) => write!(f, "step `{step}` failed: {}", self.errors.join(": ")),
            (None, Cause::Cancelled) => f.write_str("it was cancelled"),
            (None, Cause::Deadline) => f.write_str("its time was up"),
            (None, Cause::Failed) => f.write_str(&self.errors.join(": ")),
        }
    }
}

/// Makes a payload an event in the stream of its saga.
macro_rules! saga_event {
    ($type:ident, $name:literal) => {
        #[diagnostic::do_not_recommend]
        impl Event for $type {
            const NAME: &'static str = $name;

            fn stream(&self) -> Option<String> {
                Some(format!("saga-{}", self.id))
            }

            fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
                decode_exactly(schema, json)
            }
        }
    };
}

/// A saga has begun: `saga.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStarted {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// What it was started for.
    pub key: Option<String>,
}

/// A step has happened: `saga.step.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStepCompleted {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// The step.
    pub step: String,
}

/// A saga has ended well: `saga.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaCompleted {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
}

/// A saga has ended, and what it had done stays: `saga.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaFailed {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// Why.
    pub failure: SagaFailure,
}

/// A saga has ended, and everything is undone: `saga.compensated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaCompensated {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// Why.
    pub failure: SagaFailure,
    /// The steps that were undone, in the order of their declaration.
    pub undone: Vec<String>,
}

/// A saga waits for somebody to decide: `saga.stuck`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStuck {
    /// The saga.
    pub id: Uuid,
    /// Its kind.
    pub saga: String,
    /// The step whose compensation has finally failed; `None` where nobody knows how to go on.
    pub step: Option<String>,
    /// Why, outermost first.
    pub errors: Vec<String>,
}

saga_event!(SagaStarted, "saga.started");
saga_event!(SagaStepCompleted, "saga.step.completed");
saga_event!(SagaCompleted, "saga.completed");
saga_event!(SagaFailed, "saga.failed");
saga_event!(SagaCompensated, "saga.compensated");
saga_event!(SagaStuck, "saga.stuck");
