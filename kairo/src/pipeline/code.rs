//! What `#[pipeline]` makes of an `impl` block, and the builder of a chain of closures.

use super::{PipelineError, Run, Settings};
use crate::{handler::Failure, validation::Violations};

/// A type whose methods are the stages of a pipeline; `#[pipeline("its-name")]` implements it, and
/// [`pipeline("its-name")`](super::pipeline()) builds one of closures.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipeline",
    label = "not a pipeline",
    note = "put `#[kairo::pipeline(\"its-name\")]` on the `impl` block of `{Self}` that has its `#[map]`, `#[filter]` and `#[emit]` methods"
)]
pub trait Pipeline: Sized + Send + Sync + 'static {
    /// What flows into the first stage.
    type Input: Send + Sync + 'static;

    /// What comes out of the last one.
    type Output: Send + Sync + 'static;

    /// Its name.
    fn name(&self) -> &str;

    /// The names of its stages, in order.
    fn stages(&self) -> Vec<&str>;

    /// Its options.
    #[doc(hidden)]
    fn settings(&self) -> Settings;

    /// Checks what flows in, if its type has rules.
    #[doc(hidden)]
    fn check(&self, input: &Self::Input) -> Result<(), Violations>;

    /// Runs its stages.
    #[doc(hidden)]
    fn run(
        &self,
        run: &Run<'_>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, PipelineError>> + Send;

    /// Runs when it has come to its end.
    #[doc(hidden)]
    fn on_success(
        &self,
        _run: &Run<'_>,
        _output: &Self::Output,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Ok(()))
    }

    /// Runs when it went no further.
    #[doc(hidden)]
    fn on_error(
        &self,
        _run: &Run<'_>,
        _error: &PipelineError,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Ok(()))
    }
}
