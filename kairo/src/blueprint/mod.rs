//! A saga as `#[saga]` writes it down: its steps, in order, and how to run each of them; and what is known
//! of a pipeline everywhere.
//!
//! Steps are referred to by their index. Nothing here decides anything; that is the engine's.

pub mod pipeline;

use std::{fmt, pin::Pin, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    handler::{Context, Failure, FromContext, Location, Need},
    retry::RetryPolicy,
};

/// A value as a saga keeps it: JSON.
pub type Stored = Box<RawValue>;

/// What a saga of type `S` is made of.
pub struct Blueprint<S> {
    /// Its name.
    pub name: &'static str,
    /// Where it is declared.
    pub location: Location,
    /// What its steps are called, take and return, for a fingerprint: code of another shape cannot
    /// carry on what this one has begun.
    pub shape: &'static [&'static str],
    /// Whether completed steps are undone when it fails.
    pub rollback: bool,
    /// How long it may take as a whole.
    pub timeout: Option<Duration>,
    /// The step whose output it returns.
    pub output: usize,
    /// Its steps, in the order of their declaration.
    pub steps: Vec<Step<S>>,
    /// What runs when it has completed.
    pub on_complete: Option<Hook<S>>,
    /// What runs when it has failed and whatever can be undone is.
    pub on_error: Option<Hook<S>>,
    /// How states of other shapes become states of this one.
    pub migrations: Vec<Migration>,
}

/// One step.
pub struct Step<S> {
    /// Its name, which is that of its method.
    pub name: &'static str,
    /// The steps that come before it.
    pub after: &'static [usize],
    /// Whether it runs at all.
    pub when: Option<Test<S>>,
    /// Runs it.
    pub run: Run<S>,
    /// What undoes it.
    pub undo: Undo<S>,
    /// What to do when nobody knows whether it has happened; by default what its compensation can.
    pub on_unknown: Option<OnUnknown>,
    /// How it is retried; `None` means the default of handlers.
    pub retry: Option<RetryPolicy>,
    /// How long an attempt may take; 30 s unless stated.
    pub timeout: Option<Duration>,
}

/// What undoes a step.
pub enum Undo<S> {
    /// It changes nothing.
    Pure,
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// A compensation.
    By {
        /// What it must be given of the step.
        takes: Takes,
        /// Runs it.
        run: Run<S>,
        /// How long an attempt may take; 30 s unless stated.
        timeout: Option<Duration>,
    },
}

/// What a compensation takes of the step that it undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Its output, `&Out`: it cannot run without.
    Output,
    /// Its output if there is one, `Option<&Out>`.
    Maybe,
    /// Nothing of it.
    Nothing,
}

/// What to do about a step of which nobody knows whether it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// Undo it, in case it has.
    Compensate,
    /// Leave everything as it is, and let people decide.
    Park,
}

/// A run of a step or a compensation.
pub type StepFuture<'a> = Pin<Box<dyn Future<Output = Result<Stored, StepError>> + Send + 'a>>;

/// Runs a step or a compensation.
pub type Run<S> = for<'a> fn(&'a S, Given<'a>) -> StepFuture<'a>;

/// Decides whether a step runs.
pub type Test<S> = for<'a> fn(&'a S, Given<'a>) -> Result<bool, StepError>;

/// Runs at the end of a saga.
pub type Hook<S> = Run<S>;

/// How a state of another shape becomes one of this shape.
pub struct Migration {
    /// The fingerprint of the other shape.
    pub from: u64,
    /// Changes the JSON of the whole state.
    pub run: fn(serde_json::Value) -> Result<serde_json::Value, StepError>,
}

/// Why a run of a step brought no output.
#[derive(Debug)]
pub enum StepError {
    /// The step, or an extractor, failed.
    Failed(Failure),
    /// What it takes cannot be decoded any more; it did not run.
    Undecodable(String),
    /// It has happened, and what it returned cannot be stored.
    Unstorable(String),
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a step is given.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub(crate) values: &'a Values,
    pub(crate) context: &'a Context,
}

/// What a saga knows by now.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) input: Stored,
    /// The outputs of its steps; `None` while there is none.
    pub(crate) outputs: Vec<Option<Stored>>,
    /// Why it fails, for `on_error`.
    pub(crate) error: Option<Stored>,
}

impl<'a> Given<'a> {
    /// What the run knows.
    #[must_use]
    pub const fn context(self) -> &'a Context {
        self.context
    }

    /// What the saga was started with.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    pub fn input<T: DeserializeOwned>(self) -> Result<T, StepError> {
        decode(&self.values.input, || "the saga's input".to_owned())
    }

    /// The output of a step that has run.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    pub fn output<T: DeserializeOwned>(self, step: usize) -> Result<T, StepError> {
        let missing = || StepError::Undecodable(format!("step {step} has no output"));
        self.maybe(step)?.ok_or_else(missing)
    }

    /// The output of a step, if it has one.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    pub fn maybe<T: DeserializeOwned>(self, step: usize) -> Result<Option<T>, StepError> {
        let output = self.values.outputs.get(step).and_then(Option::as_ref);
        output.map(|output| decode(output, || format!("the output of step {step}"))).transpose()
    }

    /// Why the saga fails, for `#[on_error]`.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    pub fn error<T: DeserializeOwned>(self) -> Result<T, StepError> {
        let missing = || StepError::Undecodable("the saga has not failed".to_owned());
        let error = self.values.error.as_ref().ok_or_else(missing)?;
        decode(error, || "the saga's error".to_owned())
    }

    /// An argument that is taken from the run.
    ///
    /// # Errors
    /// As the extractor.
    pub async fn extract<T: FromContext>(self) -> Result<T, StepError> {
        Ok(T::from_context(self.context).await?)
    }
}

impl fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("context", &self.context).finish_non_exhaustive()
    }
}

fn decode<T: DeserializeOwned>(
    value: &RawValue,
    what: impl FnOnce() -> String,
) -> Result<T, StepError> {
    serde_json::from_str(value.get())
        .map_err(|error| StepError::Undecodable(format!("{} cannot be decoded: {error}", what())))
}

/// Keeps the output of a step.
///
/// # Errors
/// [`StepError::Unstorable`]
pub fn stored<T: Serialize>(output: T) -> Result<Stored, StepError> {
    serde_json::value::to_raw_value(&output)
        .map_err(|error| StepError::Unstorable(format!("its output cannot be stored: {error}")))
}

impl<S> Blueprint<S> {
    /// The fingerprint of the shape: FNV-1a, by Fowler, Noll and Vo, over its words.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(self.shape)
    }
}

/// The fingerprint of a shape: FNV-1a, by Fowler, Noll and Vo, over its words in their order.
#[must_use]
pub const fn fingerprint(shape: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (mut hash, mut i) = (OFFSET, 0);
    while i < shape.len() {
        let (word, mut j) = (shape[i].as_bytes(), 0);
        while j < word.len() {
            hash = (hash ^ word[j] as u64).wrapping_mul(PRIME);
            j += 1;
        }
        // No word of Rust has this byte, so words cannot run into each other.
        hash = (hash ^ 0xff).wrapping_mul(PRIME);
        i += 1;
    }
    hash
}

impl<S> fmt::Debug for Blueprint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.steps.iter().map(|step| step.name).collect();
        f.debug_struct("Blueprint")
            .field("name", &self.name)
            .field("steps", &steps)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Step<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Undo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pure => f.write_str("Pure"),
            Self::Nothing(why) => f.debug_tuple("Nothing").field(why).finish(),
            Self::By { takes, .. } => f.debug_struct("By").field("takes", takes).finish(),
        }
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Migration(from {:016x})", self.from)
    }
}

/// A saga of a linked crate.
#[derive(Debug)]
pub struct SagaEntry {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub type_name: &'static str,
    /// Where it is declared.
    pub location: Location,
    /// What the extractors of its methods need from the application.
    pub needs: fn() -> Vec<Need>,
}

impl SagaEntry {
    /// A saga that is declared where this is called.
    #[must_use]
    #[track_caller]
    pub const fn new(
        module: &'static str,
        name: &'static str,
        type_name: &'static str,
        needs: fn() -> Vec<Need>,
    ) -> Self {
        Self { name, type_name, location: Location::here(module), needs }
    }
}

inventory::collect!(SagaEntry);
