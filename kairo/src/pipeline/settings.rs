//! The options of a pipeline.

use std::time::Duration;

/// Which events a pipeline publishes about its own runs, beside those that its stages emit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tells {
    /// None.
    #[default]
    Nothing,
    /// `pipeline.started`, and `pipeline.completed` or `pipeline.failed`.
    Run,
    /// These, and `pipeline.stage.completed` for each stage.
    Stages,
}

/// The options of a pipeline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// What it tells of its runs.
    pub tells: Tells,
    /// How long a run may take.
    pub timeout: Option<Duration>,
}
