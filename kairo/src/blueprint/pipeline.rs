//! A pipeline as `#[pipeline]` registers it, and the events of a run's life, which the bus carries as any
//! others.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::DecodeError,
    event::Event,
    handler::{Location, Need},
};

/// A pipeline of a linked crate.
#[derive(Debug)]
pub struct PipelineEntry {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub type_name: &'static str,
    /// Where it is declared.
    pub location: Location,
    /// Its value, which the builder can be given.
    pub value: fn() -> Need,
    /// What the extractors of its methods need from the application.
    pub needs: fn() -> Vec<Need>,
}

impl PipelineEntry {
    /// A pipeline that is declared where this is called.
    #[must_use]
    #[track_caller]
    pub const fn new(
        module: &'static str,
        name: &'static str,
        type_name: &'static str,
        value: fn() -> Need,
        needs: fn() -> Vec<Need>,
    ) -> Self {
        Self { name, type_name, location: Location::here(module), value, needs }
    }
}

inventory::collect!(PipelineEntry);

/// Makes a payload an event in the stream of its run.
macro_rules! pipeline_event {
    ($type:ident, $name:literal) => {
        #[diagnostic::do_not_recommend]
        impl Event for $type {
            const NAME: &'static str = $name;

            fn stream(&self) -> Option<String> {
                Some(format!("pipeline-{}", self.id))
            }

            fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
                crate::event::decode_exactly(schema, json)
            }
        }
    };
}

/// A run has begun: `pipeline.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineStarted {
    /// The run.
    pub id: Uuid,
    /// The pipeline.
    pub pipeline: String,
}

/// A stage has let the run pass: `pipeline.stage.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineStageCompleted {
    /// The run.
    pub id: Uuid,
    /// The pipeline.
    pub pipeline: String,
    /// The stage.
    pub stage: String,
}

/// A run has come to its end: `pipeline.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineCompleted {
    /// The run.
    pub id: Uuid,
    /// The pipeline.
    pub pipeline: String,
}

/// A run went no further: `pipeline.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineFailed {
    /// The run.
    pub id: Uuid,
    /// The pipeline.
    pub pipeline: String,
    /// The stage at which it was; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What was wrong, in a word: `invalid`, `rejected`, `failed`, `timed-out`, `panicked`,
    /// `unpublished` or `misused`.
    pub kind: String,
    /// What can be said about it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

pipeline_event!(PipelineStarted, "pipeline.started");
pipeline_event!(PipelineStageCompleted, "pipeline.stage.completed");
pipeline_event!(PipelineCompleted, "pipeline.completed");
pipeline_event!(PipelineFailed, "pipeline.failed");
