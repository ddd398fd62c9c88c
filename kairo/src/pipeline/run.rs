//! One run of a pipeline: attempts at its stages, and what they are given and emit.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    future::poll_fn,
    num::NonZeroU32,
    panic::{self, AssertUnwindSafe},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as Task, Poll},
    time::Duration,
};

use uuid::Uuid;

use super::{ErrorKind, PipelineError, PipelineStageCompleted, handle::Options};
use crate::{
    bus::{Shared, append_all},
    clock::Clock,
    engine::dispatch::{
        deliver::panic_text,
        scope::{Scope, event_of},
    },
    error::{Error, Result},
    event::{Event, name::EventName, record::Draft},
    handler::{Class, Context, Failure, context::Whole, failure::class_of},
    retry::Verdict,
    store::Append,
};

/// What the place of a pipeline's stages begins with, as the subscription of one that runs on an event.
pub(super) const PLACE: &str = "pipeline:";

/// What the runs of a handler count as, so that each has an id of its own.
const RUN: &str = "pipeline.run";

/// A stage, as its attempts need it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its place among all, from 0.
    pub index: usize,
    /// How it is tried again; `None` means not at all.
    pub retry: Option<crate::RetryPolicy>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
}

/// How an attempt at a stage went wrong.
#[derive(Debug)]
pub enum Miss {
    /// The stage, or an extractor, failed.
    Failed(Failure),
    /// It took longer than this.
    TimedOut(Duration),
    /// It panicked, with these words.
    Panicked(String),
    /// Its event could not be published.
    Unpublished(Error),
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Miss {
    fn class(&self) -> Class {
        match self {
            Self::Failed(failure) => failure.class(),
            Self::TimedOut(_) | Self::Panicked(_) => Class::Retryable,
            Self::Unpublished(error) => class_of(error),
        }
    }

    pub(super) fn kind(self) -> ErrorKind {
        match self {
            Self::Failed(failure) => ErrorKind::Failed(failure),
            Self::TimedOut(limit) => ErrorKind::TimedOut(limit),
            Self::Panicked(text) => ErrorKind::Panicked(text),
            Self::Unpublished(error) => ErrorKind::Unpublished(error),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::TimedOut(limit) => write!(f, "it took longer than {limit:?}"),
            Self::Panicked(text) => write!(f, "it panicked: {text}"),
            Self::Unpublished(error) => error.fmt(f),
        }
    }
}

/// One run of a pipeline.
pub struct Run<'a> {
    shared: &'a Arc<Shared>,
    pipeline: &'a str,
    id: Uuid,
    /// That of the handler that runs it, or else its own.
    scope: Arc<Scope>,
    options: &'a Options,
    /// The stage at which it is, counted from 1.
    stage: AtomicUsize,
}

impl<'a> Run<'a> {
    /// A run inside a handler's run, if there is one.
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        pipeline: &'a str,
        place: &Arc<str>,
        outer: Option<Arc<Scope>>,
        options: &'a Options,
    ) -> Self {
        let inside = outer.and_then(|scope| Some((scope.own_id(&EventName::checked(RUN))?, scope)));
        let (id, scope) = inside.unwrap_or_else(|| {
            let id = shared.engine.clock.new_id();
            (id, own_scope(shared, place, id, options))
        });
        Self { shared, pipeline, id, scope, options, stage: AtomicUsize::new(0) }
    }

    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    pub(super) const fn pipeline(&self) -> &str {
        self.pipeline
    }

    pub(super) const fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        self.shared
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.engine.clock
    }

    /// The stage at which it is, among these.
    pub(super) fn stage<'s>(&self, stages: &[&'s str]) -> Option<&'s str> {
        let number = self.stage.load(Ordering::Relaxed);
        number.checked_sub(1).and_then(|index| stages.get(index).copied())
    }

    /// An error at no stage, or at this one.
    pub(super) fn error(&self, stage: Option<&str>, kind: ErrorKind) -> PipelineError {
        PipelineError::new(self.pipeline, stage, self.id, kind)
    }

    /// What extractors of a stage are given.
    #[must_use]
    pub fn context(&self, stage: &str, attempt: NonZeroU32) -> Context {
        let outer = self.scope.context();
        let around = &outer.subscription;
        // In what is not its own, the name of that comes first.
        let place = match around.strip_prefix(PLACE) {
            Some(name) if name == self.pipeline => format!("{around}/{stage}"),
            _ => format!("{around}/{}/{stage}", self.pipeline),
        };
        let of_whole = outer.whole.as_ref().map(|whole| (whole.correlation, whole.depth));
        let of_event = outer.data().map(|event| (event.correlation, event.depth));
        let (correlation, depth) = of_event.or(of_whole).unwrap_or((self.id, 0));
        let whole = Whole { id: self.id, epoch: None, correlation, depth };
        Context { attempt, subscription: place.into(), whole: Some(whole), ..outer.clone() }
    }

    /// Passes a stage by one attempt.
    ///
    /// # Errors
    /// What went wrong, with the stage's name.
    pub async fn once<T>(
        &self,
        stage: &Stage,
        attempt: impl Future<Output = Result<T, Miss>> + Send,
    ) -> Result<T, PipelineError> {
        self.stage.store(stage.index + 1, Ordering::Relaxed);
        let ended = attempted(pin!(attempt), stage.timeout, self.clock()).await;
        ended.map_err(|miss| self.error(Some(&stage.name), miss.kind()))
    }

    /// Passes a stage by as many attempts as its policy grants; the pauses between them are waited for
    /// right here, whatever their length.
    ///
    /// # Errors
    /// What went wrong the last time, with the stage's name.
    pub async fn repeated<T, F, A>(&self, stage: &Stage, attempt: F) -> Result<T, PipelineError>
    where
        F: Fn(NonZeroU32) -> A + Send,
        A: Future<Output = Result<T, Miss>> + Send,
    {
        self.stage.store(stage.index + 1, Ordering::Relaxed);
        let mark = self.scope.mark();
        let mut number = NonZeroU32::MIN;
        loop {
            let ended = attempted(pin!(attempt(number)), stage.timeout, self.clock()).await;
            let pause = match ended {
                Ok(output) => return Ok(output),
                Err(miss) => self.after(stage, number, miss)?,
            };
            self.clock().sleep(pause).await;
            self.scope.rewind(&mark);
            number = number.saturating_add(1);
        }
    }

    /// The pause before the next attempt, if there is one.
    fn after(
        &self,
        stage: &Stage,
        attempt: NonZeroU32,
        miss: Miss,
    ) -> Result<Duration, PipelineError> {
        let verdict = match &stage.retry {
            Some(policy) => policy.verdict(miss.class(), attempt, self.clock().draw()),
            None => Verdict::Hopeless,
        };
        match verdict {
            Verdict::RetryInPlace(pause) | Verdict::RetryAfter(pause) => {
                let (pipeline, stage) = (self.pipeline, &*stage.name);
                tracing::warn!(pipeline, stage, attempt, error = %miss, "an attempt failed");
                Ok(pause)
            }
            Verdict::Hopeless | Verdict::Exhausted => {
                Err(self.error(Some(&stage.name), miss.kind()))
            }
        }
    }

    /// Says that a filter said no.
    #[must_use]
    pub fn rejected(&self, stage: &Stage) -> PipelineError {
        self.error(Some(&stage.name), ErrorKind::Rejected)
    }

    /// Tells that a stage has let the run pass.
    ///
    /// # Errors
    /// [`ErrorKind::Unpublished`]
    pub async fn passed(&self, stage: &Stage) -> Result<(), PipelineError> {
        let event = PipelineStageCompleted {
            id: self.id,
            pipeline: self.pipeline.to_owned(),
            stage: stage.name.clone().into_owned(),
        };
        let told = self.tell(&event).await;
        told.map_err(|error| self.error(Some(&stage.name), ErrorKind::Unpublished(error)))
    }

    /// Publishes an event of the run's life.
    pub(super) async fn tell<E: Event>(&self, event: &E) -> Result {
        self.append(vec![Draft::encode(event)?]).await
    }

    /// Publishes events in one commit.
    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Result {
        let clock = self.clock();
        let events = drafts.into_iter().map(|draft| {
            let mut event = event_of(clock, Some(&self.scope), draft)?;
            event.correlation = self.options.correlation.unwrap_or(event.correlation);
            event.metadata.extend(self.options.metadata.clone());
            Ok(Append::one(event))
        });
        let appends = events.collect::<Result<Vec<_>>>()?;
        if appends.is_empty() {
            return Ok(());
        }
        Box::pin(append_all(self.shared, Some(&self.scope), appends)).await.map(drop)
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("pipeline", &self.pipeline)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The scope of a run that no handler makes: what is published in it belongs to the run.
fn own_scope(shared: &Shared, place: &Arc<str>, id: Uuid, options: &Options) -> Arc<Scope> {
    let correlation = options.correlation.unwrap_or(id);
    Scope::new(Context {
        event: None,
        attempt: NonZeroU32::MIN,
        subscription: Arc::clone(place),
        generation: 0,
        edit: None,
        states: Arc::clone(&shared.engine.states),
        whole: Some(Whole { id, epoch: None, correlation, depth: 0 }),
    })
}

/// Makes one attempt, catching a panic and ending it when its time is up. Only one that has to wait
/// costs a timer.
pub(super) async fn attempted<T, F: Future<Output = Result<T, Miss>>>(
    mut attempt: Pin<&mut F>,
    timeout: Option<Duration>,
    clock: &Clock,
) -> Result<T, Miss> {
    let Some(timeout) = timeout else {
        return poll_fn(|task| polled(attempt.as_mut(), task)).await;
    };
    let first = poll_fn(|task| Poll::Ready(polled(attempt.as_mut(), task))).await;
    if let Poll::Ready(ended) = first {
        return ended;
    }
    tokio::select! {
        biased;
        ended = poll_fn(|task| polled(attempt.as_mut(), task)) => ended,
        () = clock.sleep(timeout) => Err(Miss::TimedOut(timeout)),
    }
}

fn polled<T, F: Future<Output = Result<T, Miss>>>(
    attempt: Pin<&mut F>,
    task: &mut Task<'_>,
) -> Poll<Result<T, Miss>> {
    guarded(|| attempt.poll(task)).unwrap_or_else(|miss| Poll::Ready(Err(miss)))
}

/// Runs code of the user's.
pub(super) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, Miss> {
    let panicked = |panic: Box<dyn Any + Send>| Miss::Panicked(panic_text(&*panic).to_owned());
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(panicked)
}
