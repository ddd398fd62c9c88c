//! What a stage gives, and what it is given once more.

use crate::handler::{Failure, IntoFailure};

/// What a stage may return when it can fail.
// With the output as a parameter, because rustc would look for an associated type where the stage is
// called, and complain there.
pub trait Yields<T> {
    /// The output.
    ///
    /// # Errors
    /// The stage's failure.
    fn or_failure(self) -> Result<T, Failure>;
}

impl<T, E: IntoFailure> Yields<T> for Result<T, E> {
    fn or_failure(self) -> Result<T, Failure> {
        self.map_err(IntoFailure::into_failure)
    }
}

/// What a stage that is tried again can be given each time.
#[diagnostic::on_unimplemented(
    message = "a stage that is tried again needs its `{Self}` again, which cannot be cloned",
    label = "each attempt takes a `{Self}` of its own",
    note = "derive `Clone` for `{Self}`; or take `&{Self}`, or remove `retry(..)`"
)]
pub trait Repeat {
    /// The same once more.
    #[must_use]
    fn again(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Repeat for T {
    fn again(&self) -> Self {
        self.clone()
    }
}
