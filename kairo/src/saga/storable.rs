//! What the code of `#[saga]` calls: how a saga's data are taken and stored.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::View;
use crate::{
    blueprint::{self, Given, StepError, StepFuture, Stored},
    error::Result as KairoResult,
    handler::IntoFailure,
    journal::slot::Slot,
};

type Result<T> = std::result::Result<T, StepError>;

/// What a saga can store: its input, and what its steps return.
// It has no supertraits of serde's, and what uses a value are functions of its own, so that a type
// that lacks it is reported as such, where it stands, and not once for each of its uses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored by a saga",
    label = "the input of a saga and what its steps return are stored, which `{Self}` does not support",
    note = "put `#[kairo::data]` on the definition of `{Self}`, or derive `Serialize` and `Deserialize`"
)]
pub trait Storable: Sized + Send + Sync + 'static {
    /// What the saga was started with.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    #[doc(hidden)]
    fn input(given: Given<'_>) -> Result<Self>;

    /// The output of a step that has run.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    #[doc(hidden)]
    fn output(given: Given<'_>, step: usize) -> Result<Self>;

    /// The output of a step, if it has one.
    ///
    /// # Errors
    /// [`StepError::Undecodable`]
    #[doc(hidden)]
    fn maybe(given: Given<'_>, step: usize) -> Result<Option<Self>>;

    /// The output of a step as it is kept.
    ///
    /// # Errors
    /// [`StepError::Unstorable`]
    #[doc(hidden)]
    fn stored(&self) -> Result<Stored>;

    /// The value as it is kept.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    #[doc(hidden)]
    fn to_stored(&self) -> serde_json::Result<Stored>;

    /// The value again.
    ///
    /// # Errors
    /// When it cannot be decoded any more.
    #[doc(hidden)]
    fn of_stored(stored: &Stored) -> serde_json::Result<Self>;

    /// The input, in a saga's typed state.
    ///
    /// # Errors
    /// [`Error::Saga`](crate::Error::Saga) when it cannot be decoded any more.
    #[doc(hidden)]
    fn of_input(view: &View<'_>) -> KairoResult<Self>;

    /// What is known of a step, in a saga's typed state.
    ///
    /// # Errors
    /// [`Error::Saga`](crate::Error::Saga) when its output cannot be decoded any more.
    #[doc(hidden)]
    fn slot(view: &View<'_>, step: &str) -> KairoResult<Slot<Self>>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Storable for T {
    fn input(given: Given<'_>) -> Result<Self> {
        given.input()
    }

    fn output(given: Given<'_>, step: usize) -> Result<Self> {
        given.output(step)
    }

    fn maybe(given: Given<'_>, step: usize) -> Result<Option<Self>> {
        given.maybe(step)
    }

    fn stored(&self) -> Result<Stored> {
        blueprint::stored(self)
    }

    fn to_stored(&self) -> serde_json::Result<Stored> {
        serde_json::value::to_raw_value(self)
    }

    fn of_stored(stored: &Stored) -> serde_json::Result<Self> {
        serde_json::from_str(stored.get())
    }

    fn of_input(view: &View<'_>) -> KairoResult<Self> {
        view.input()
    }

    fn slot(view: &View<'_>, step: &str) -> KairoResult<Slot<Self>> {
        view.slot(step)
    }
}

/// What a step may return when it can fail.
// With the output as a parameter, because rustc would look for an associated type where the step is
// called, and complain there.
pub trait Fallible<T> {
    /// The output.
    ///
    /// # Errors
    /// The step's failure.
    fn or_failure(self) -> Result<T>;
}

impl<T, E: IntoFailure> Fallible<T> for std::result::Result<T, E> {
    fn or_failure(self) -> Result<T> {
        Ok(self.map_err(IntoFailure::into_failure)?)
    }
}

/// Puts a run where its caller wants it.
pub fn run_step<'a>(future: impl Future<Output = Result<Stored>> + Send + 'a) -> StepFuture<'a> {
    Box::pin(future)
}

/// A value that is shown if it can be: `(&Shown(&value)).shown()` finds the first of the two traits
/// below that the value has.
pub struct Shown<'a, T>(pub &'a T);

impl<T> fmt::Debug for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// A value with a `Debug` of its own.
pub trait ShownAsIs {
    /// The value.
    fn shown(&self) -> &dyn fmt::Debug;
}

impl<T: fmt::Debug> ShownAsIs for Shown<'_, T> {
    fn shown(&self) -> &dyn fmt::Debug {
        self.0
    }
}

/// A value without.
pub trait ShownByName {
    /// Dots.
    fn shown(&self) -> &dyn fmt::Debug;
}

impl<T> ShownByName for &Shown<'_, T> {
    fn shown(&self) -> &dyn fmt::Debug {
        *self
    }
}
