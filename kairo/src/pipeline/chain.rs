//! The stages of a pipeline of closures, each around the ones before it.

use std::{fmt, marker::PhantomData};

use super::{Emission, Miss, PipelineError, Run, Stage};
use crate::{event::Event, handler::Failure};

/// Stages that follow each other.
pub trait Chain: Send + Sync + 'static {
    /// What flows into the first one.
    type Input: Send + Sync + 'static;

    /// What comes out of the last one.
    type Output: Send + Sync + 'static;

    /// Their names, in order.
    fn names(&self) -> Vec<&str>;

    /// Runs them, telling about each if that is wanted.
    #[doc(hidden)]
    fn flow(
        &self,
        run: &Run<'_>,
        tells: bool,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, PipelineError>> + Send;
}

/// No stage yet.
pub struct Start<T>(pub(super) PhantomData<fn(T) -> T>);

impl<T: Send + Sync + 'static> Chain for Start<T> {
    type Input = T;
    type Output = T;

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    async fn flow(&self, _run: &Run<'_>, _tells: bool, input: T) -> Result<T, PipelineError> {
        Ok(input)
    }
}

/// A stage that makes something else of what flows by.
pub struct Mapped<C, F> {
    pub(super) before: C,
    pub(super) stage: Stage,
    pub(super) code: F,
}

impl<C, F, A, U> Chain for Mapped<C, F>
where
    C: Chain,
    F: Fn(C::Output) -> A + Send + Sync + 'static,
    A: Future<Output = Result<U, Failure>> + Send,
    U: Send + Sync + 'static,
{
    type Input = C::Input;
    type Output = U;

    fn names(&self) -> Vec<&str> {
        behind(&self.before, &self.stage)
    }

    async fn flow(&self, run: &Run<'_>, tells: bool, input: C::Input) -> Result<U, PipelineError> {
        let value = self.before.flow(run, tells, input).await?;
        let attempt = async { (self.code)(value).await.map_err(Miss::Failed) };
        let output = run.once(&self.stage, attempt).await?;
        passed(run, tells, &self.stage).await?;
        Ok(output)
    }
}

/// A stage as [`Mapped`], which is tried again when it fails.
pub struct Repeated<C, F> {
    pub(super) before: C,
    pub(super) stage: Stage,
    pub(super) code: F,
}

impl<C, F, A, U> Chain for Repeated<C, F>
where
    C: Chain<Output: Clone>,
    F: Fn(C::Output) -> A + Send + Sync + 'static,
    A: Future<Output = Result<U, Failure>> + Send,
    U: Send + Sync + 'static,
{
    type Input = C::Input;
    type Output = U;

    fn names(&self) -> Vec<&str> {
        behind(&self.before, &self.stage)
    }

    async fn flow(&self, run: &Run<'_>, tells: bool, input: C::Input) -> Result<U, PipelineError> {
        let value = self.before.flow(run, tells, input).await?;
        let value = &value;
        let attempt = |_| async move { (self.code)(value.clone()).await.map_err(Miss::Failed) };
        let output = run.repeated(&self.stage, attempt).await?;
        passed(run, tells, &self.stage).await?;
        Ok(output)
    }
}

/// A stage that lets pass what it wants.
pub struct Filtered<C, F> {
    pub(super) before: C,
    pub(super) stage: Stage,
    pub(super) code: F,
}

impl<C, F> Chain for Filtered<C, F>
where
    C: Chain,
    F: Fn(&C::Output) -> bool + Send + Sync + 'static,
{
    type Input = C::Input;
    type Output = C::Output;

    fn names(&self) -> Vec<&str> {
        behind(&self.before, &self.stage)
    }

    async fn flow(
        &self,
        run: &Run<'_>,
        tells: bool,
        input: C::Input,
    ) -> Result<C::Output, PipelineError> {
        let value = self.before.flow(run, tells, input).await?;
        let wanted = run.once(&self.stage, async { Ok((self.code)(&value)) }).await?;
        if !wanted {
            return Err(run.rejected(&self.stage));
        }
        passed(run, tells, &self.stage).await?;
        Ok(value)
    }
}

/// A stage that publishes an event.
pub struct Emitting<C, F> {
    pub(super) before: C,
    pub(super) stage: Stage,
    pub(super) code: F,
}

impl<C, F, E> Chain for Emitting<C, F>
where
    C: Chain,
    F: Fn(&C::Output) -> E + Send + Sync + 'static,
    E: Event,
{
    type Input = C::Input;
    type Output = C::Output;

    fn names(&self) -> Vec<&str> {
        behind(&self.before, &self.stage)
    }

    async fn flow(
        &self,
        run: &Run<'_>,
        tells: bool,
        input: C::Input,
    ) -> Result<C::Output, PipelineError> {
        let value = self.before.flow(run, tells, input).await?;
        let this = &value;
        let attempt = |_| async move { (self.code)(this).emit(run).await };
        run.repeated(&self.stage, attempt).await?;
        passed(run, tells, &self.stage).await?;
        Ok(value)
    }
}

fn behind<'a>(before: &'a impl Chain, stage: &'a Stage) -> Vec<&'a str> {
    let mut names = before.names();
    names.push(&stage.name);
    names
}

async fn passed(run: &Run<'_>, tells: bool, stage: &Stage) -> Result<(), PipelineError> {
    if tells { run.passed(stage).await } else { Ok(()) }
}

/// Shows the names of the stages.
macro_rules! shown {
    ($($type:ident),*) => {
        $(impl<C, F> fmt::Debug for $type<C, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).field("stage", &self.stage).finish_non_exhaustive()
            }
        })*
    };
}

shown!(Mapped, Repeated, Filtered, Emitting);

impl<T> fmt::Debug for Start<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Start")
    }
}
