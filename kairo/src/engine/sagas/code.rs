//! The code of a saga without its type: its plan, and how to run what is in it.

use std::time::Duration;

use crate::{
    blueprint::{Blueprint, Given, OnUnknown, StepError, Stored, Takes, Undo, Values, stored},
    handler::context::{Context, UNDO},
    retry::RetryPolicy,
    store::BoxFuture,
};

/// How long an attempt may take unless its step says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the engine needs to know of a saga's steps to decide.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) shape: u64,
    pub(crate) rollback: bool,
    pub(crate) timeout: Option<Duration>,
    /// The step whose output it returns.
    pub(crate) output: usize,
    pub(crate) steps: Vec<StepPlan>,
    pub(crate) on_complete: bool,
    pub(crate) on_error: bool,
}

/// What the engine needs to know of a step.
#[derive(Clone, Debug)]
pub(crate) struct StepPlan {
    pub(crate) name: &'static str,
    pub(crate) after: Vec<usize>,
    pub(crate) has_when: bool,
    pub(crate) undo: UndoPlan,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout: Duration,
}

/// What undoes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UndoPlan {
    /// Nothing need be done.
    Nothing,
    By {
        takes: Takes,
        timeout: Duration,
    },
}

/// What can be run of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Step(usize),
    Undo(usize),
    OnComplete,
    OnError,
}

/// A saga's code.
pub(crate) trait Code: Send + Sync {
    fn plan(&self) -> &Plan;

    /// Whether a step is to run.
    fn test(&self, step: usize, given: Given<'_>) -> Result<bool, StepError>;

    /// Runs a part.
    fn run<'a>(&'a self, part: Part, given: Given<'a>) -> BoxFuture<'a, Result<Stored, StepError>>;

    /// Makes a state of this shape of one of another; `None` where nobody knows how.
    fn migrate(
        &self,
        from: u64,
        state: serde_json::Value,
    ) -> Option<Result<serde_json::Value, StepError>>;
}

/// A value and the blueprint of its type.
pub(crate) struct Bound<S> {
    saga: S,
    blueprint: Blueprint<S>,
    plan: Plan,
}

impl<S> Bound<S> {
    pub(crate) fn new(saga: S, blueprint: Blueprint<S>, retry: RetryPolicy) -> Self {
        let plan = plan_of(&blueprint, retry);
        Self { saga, blueprint, plan }
    }
}

impl<S: Send + Sync> Code for Bound<S> {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn test(&self, step: usize, given: Given<'_>) -> Result<bool, StepError> {
        match self.blueprint.steps[step].when {
            Some(test) => test(&self.saga, given),
            None => Ok(true),
        }
    }

    fn run<'a>(&'a self, part: Part, given: Given<'a>) -> BoxFuture<'a, Result<Stored, StepError>> {
        let run = match part {
            Part::Step(step) => Some(self.blueprint.steps[step].run),
            Part::Undo(step) => match self.blueprint.steps[step].undo {
                Undo::By { run, .. } => Some(run),
                Undo::Pure | Undo::Nothing(_) => None,
            },
            Part::OnComplete => self.blueprint.on_complete,
            Part::OnError => self.blueprint.on_error,
        };
        match run {
            Some(run) => run(&self.saga, given),
            None => Box::pin(async { stored(()) }),
        }
    }

    fn migrate(
        &self,
        from: u64,
        state: serde_json::Value,
    ) -> Option<Result<serde_json::Value, StepError>> {
        let migration = self.blueprint.migrations.iter().find(|it| it.from == from)?;
        Some((migration.run)(state))
    }
}

fn plan_of<S>(blueprint: &Blueprint<S>, retry: RetryPolicy) -> Plan {
    let steps = blueprint.steps.iter().map(|step| {
        let undo = match &step.undo {
            Undo::Pure | Undo::Nothing(_) => UndoPlan::Nothing,
            Undo::By { takes, timeout, .. } => {
                UndoPlan::By { takes: *takes, timeout: timeout.unwrap_or(TIMEOUT) }
            }
        };
        StepPlan {
            name: step.name,
            after: step.after.to_vec(),
            has_when: step.when.is_some(),
            undo,
            on_unknown: step.on_unknown.unwrap_or(OnUnknown::Compensate),
            retry: step.retry.unwrap_or(retry),
            timeout: step.timeout.unwrap_or(TIMEOUT),
        }
    });
    Plan {
        name: blueprint.name,
        shape: blueprint.fingerprint(),
        rollback: blueprint.rollback,
        timeout: blueprint.timeout,
        output: blueprint.output,
        steps: steps.collect(),
        on_complete: blueprint.on_complete.is_some(),
        on_error: blueprint.on_error.is_some(),
    }
}

/// Where a run of a part comes from, as what it publishes and its keys see it.
pub(crate) fn place_of(plan: &Plan, part: Part) -> String {
    let step = |index: usize| plan.steps[index].name;
    match part {
        Part::Step(index) => format!("{}/{}", plan.name, step(index)),
        Part::Undo(index) => format!("{}/{}{UNDO}", plan.name, step(index)),
        Part::OnComplete => format!("{}/on_complete", plan.name),
        Part::OnError => format!("{}/on_error", plan.name),
    }
}

/// The context of a part's runs must outlive them, so whoever runs it keeps it.
pub(crate) const fn given<'a>(values: &'a Values, context: &'a Context) -> Given<'a> {
    Given { values, context }
}
