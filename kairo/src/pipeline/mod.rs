//! Pipelines: what flows through stages, in order, and the events that it leaves behind.
//!
//! A pipeline is an `impl` block whose methods are its stages, or a chain of closures. It runs where it is
//! called, in the caller's task: nothing of a run is stored but the events that it emits. What must go on
//! after a crash is a [saga](mod@crate::saga), or a pipeline that runs [on an event](Pipeline).

mod code;
mod error;
mod yields;
mod settings;
mod run;
mod emission;
mod drive;
mod handle;
mod chain;
mod closures;
mod on;

pub use self::{
    chain::{Chain, Emitting, Filtered, Mapped, Repeated, Start},
    closures::{Named, Stages, pipeline},
    code::Pipeline,
    emission::{Emission, EmittedFrom},
    error::{ErrorKind, PipelineError},
    handle::PipelineRef,
    on::run_pipeline,
    run::{Miss, Run, Stage},
    settings::{Settings, Tells},
    yields::{Repeat, Yields},
};
pub use crate::blueprint::pipeline::{
    PipelineCompleted, PipelineFailed, PipelineStageCompleted, PipelineStarted,
};
