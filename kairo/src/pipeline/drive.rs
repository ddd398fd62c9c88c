//! A whole run: the check of its input, its stages, its time, its own events, and its hooks.

use std::{pin::pin, sync::Arc, time::Duration};

use super::{
    ErrorKind, Pipeline, PipelineCompleted, PipelineError, PipelineFailed, PipelineStarted, Run,
    Settings, Tells,
    handle::Options,
    run::{Miss, attempted, guarded},
};
use crate::{bus::Shared, engine::dispatch::scope::Scope, handler::Failure};

/// How long a hook may take.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a pipeline, inside the run of a handler if there is one.
pub(super) async fn drive<P: Pipeline>(
    shared: &Arc<Shared>,
    pipeline: &P,
    place: &Arc<str>,
    outer: Option<Arc<Scope>>,
    options: &Options,
    input: P::Input,
) -> Result<P::Output, PipelineError> {
    let run = Run::new(shared, pipeline.name(), place, outer, options);
    Arc::clone(run.scope()).enter(whole(&run, pipeline, input)).await
}

async fn whole<P: Pipeline>(
    run: &Run<'_>,
    pipeline: &P,
    input: P::Input,
) -> Result<P::Output, PipelineError> {
    let settings = pipeline.settings();
    let ended = match check(run, pipeline, &input) {
        Ok(()) => stages(run, pipeline, settings, input).await,
        Err(error) => Err(error),
    };
    let ended = tell(run, settings, ended).await;
    match &ended {
        Ok(output) => hook(run, "on_success", pipeline.on_success(run, output)).await,
        Err(error) => hook(run, "on_error", pipeline.on_error(run, error)).await,
    }
    ended
}

fn check<P: Pipeline>(run: &Run<'_>, pipeline: &P, input: &P::Input) -> Result<(), PipelineError> {
    let kind = match guarded(|| pipeline.check(input)) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(violations)) => ErrorKind::Invalid(violations),
        Err(miss) => miss.kind(),
    };
    Err(run.error(None, kind))
}

async fn stages<P: Pipeline>(
    run: &Run<'_>,
    pipeline: &P,
    settings: Settings,
    input: P::Input,
) -> Result<P::Output, PipelineError> {
    if settings.tells != Tells::Nothing {
        let started = PipelineStarted { id: run.id(), pipeline: run.pipeline().to_owned() };
        let told = run.tell(&started).await;
        told.map_err(|error| run.error(None, ErrorKind::Unpublished(error)))?;
    }
    let stages = pipeline.run(run, input);
    let Some(limit) = settings.timeout else { return stages.await };
    tokio::select! {
        biased;
        ended = stages => ended,
        () = run.clock().sleep(limit) => {
            let stage = run.stage(&pipeline.stages());
            Err(run.error(stage, ErrorKind::TimedOut(limit)))
        }
    }
}

/// Tells how a run has ended. One that ended well and cannot say so has not: somebody waits for it.
async fn tell<T>(
    run: &Run<'_>,
    settings: Settings,
    ended: Result<T, PipelineError>,
) -> Result<T, PipelineError> {
    if settings.tells == Tells::Nothing {
        return ended;
    }
    let (id, pipeline) = (run.id(), run.pipeline().to_owned());
    match ended {
        Ok(output) => match run.tell(&PipelineCompleted { id, pipeline }).await {
            Ok(()) => Ok(output),
            Err(error) => Err(run.error(None, ErrorKind::Unpublished(error))),
        },
        Err(error) => {
            let stage = error.stage().map(str::to_owned);
            let (kind, errors) = (error.kind().word().to_owned(), error.kind().chain());
            let failed = PipelineFailed { id, pipeline, stage, kind, errors };
            if let Err(untold) = run.tell(&failed).await {
                tracing::warn!(pipeline = run.pipeline(), error = %untold, "a failed run is not told");
            }
            Err(error)
        }
    }
}

/// Runs a hook, which changes nothing about how the run has ended.
async fn hook(run: &Run<'_>, hook: &str, code: impl Future<Output = Result<(), Failure>> + Send) {
    let code = async { code.await.map_err(Miss::Failed) };
    if let Err(miss) = attempted(pin!(code), Some(HOOK_TIMEOUT), run.clock()).await {
        tracing::warn!(pipeline = run.pipeline(), hook, error = %miss, "a hook failed");
    }
}
