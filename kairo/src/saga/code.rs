//! What `#[saga]` makes of an `impl` block.

use std::fmt;

use serde::de::DeserializeOwned;

use super::storable::Storable;
use crate::{
    blueprint::{Blueprint, Stored},
    error::{Error, Result},
    journal::{Phase, slot::Slot},
};

/// A type whose methods are the steps of a saga; `#[saga("its-name")]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga",
    note = "put `#[kairo::saga(\"its-name\")]` on the `impl` block of `{Self}` that has its `#[step]` methods"
)]
pub trait Saga: Sized + Send + Sync + 'static {
    /// Its stable name.
    const NAME: &'static str;

    /// The fingerprint of its steps: another binary can carry on what this one has begun if its
    /// fingerprint is the same.
    const SHAPE: u64;

    /// What it is started with.
    type Input: Storable;

    /// What it returns.
    type Output: Storable;

    /// The names of its steps.
    type Step: SagaStep;

    /// How far one is.
    type State: Send + fmt::Debug + 'static;

    /// Its steps, and how to run them.
    #[doc(hidden)]
    fn blueprint() -> Blueprint<Self>;

    /// How far one is, typed.
    #[doc(hidden)]
    fn state(view: &View<'_>) -> Result<Self::State>;
}

/// The steps of a saga, as `#[saga]` names them.
pub trait SagaStep: Copy + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The name of the saga.
    const SAGA: &'static str;

    /// All of them, in the order of their declaration.
    const ALL: &'static [Self];

    /// The name of its method.
    fn name(self) -> &'static str;

    /// The step of a name.
    #[must_use]
    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.name() == name)
    }
}

/// A saga's stored state, from which its typed one is made.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) input: &'a Stored,
    pub(super) phase: Phase,
    pub(super) slots: &'a [(String, Slot<Stored>)],
}

impl View<'_> {
    /// What the saga was started with.
    ///
    /// # Errors
    /// [`Error::Saga`] when it cannot be decoded any more.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T> {
        decode(self.input, "the input")
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What is known of a step.
    ///
    /// # Errors
    /// [`Error::Saga`] when its output cannot be decoded any more.
    pub fn slot<T: DeserializeOwned>(&self, name: &str) -> Result<Slot<T>> {
        let known = self.slots.iter().find(|(step, _)| step == name);
        let Some((_, slot)) = known else { return Ok(Slot::default()) };
        slot.clone().try_map(|output| decode(&output, name))
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("phase", &self.phase).finish_non_exhaustive()
    }
}

fn decode<T: DeserializeOwned>(value: &Stored, what: &str) -> Result<T> {
    serde_json::from_str(value.get()).map_err(|error| {
        Error::Saga(format!("{what} of the saga cannot be decoded any more: {error}"))
    })
}
