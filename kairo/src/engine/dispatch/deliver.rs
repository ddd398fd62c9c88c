//! Runs a handler for one event until something other than a short pause must follow.

use std::{
    any::Any,
    fmt,
    future::{self, Future},
    num::NonZeroU32,
    panic::{self, AssertUnwindSafe},
    pin::{Pin, pin},
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use super::{job::Job, scope::Scope, spec::Spec};
use crate::{
    clock::Clock,
    delivery::{FailedAttempt, Reason},
    engine::{Engine, stopped},
    error::{DecodeError, Error},
    event::{
        envelope::AnyEvent,
        record::{Draft, EventData, Recorded},
    },
    handler::{
        Class, Context,
        delivery::{Delivery, Outcome, Payload, RunError},
    },
    retry::{CONFLICT_RETRIES_MAX, RetryPolicy, Verdict, conflict_pause},
};

/// How many errors of a chain of causes are kept, and how many bytes of each.
const ERRORS_MAX: usize = 16;
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// A job whose handler has had its say.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) job: Job,
    pub(super) end: End,
    /// How many attempts failed in a way that another could cure, for the circuit breaker.
    pub(super) failed: u32,
    /// Where it ran, for the next one.
    pub(super) seat: Option<Seat>,
}

/// What a delivery has beside its event. Those that follow each other pass it on, because taking
/// shares of it anew costs more than most of what else happens to an event.
#[derive(Debug)]
pub(super) struct Seat {
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    scope: Arc<Scope>,
    epoch: u64,
}

impl Seat {
    /// The subscription that it is for.
    pub(super) fn subscription(&self) -> &Arc<str> {
        &self.spec.name
    }

    pub(super) fn new(engine: &Arc<Engine>, spec: &Arc<Spec>, generation: u32, epoch: u64) -> Self {
        let scope = empty_scope(engine, spec, generation);
        Self { engine: Arc::clone(engine), spec: Arc::clone(spec), scope, epoch }
    }
}

/// A scope before its first attempt.
fn empty_scope(engine: &Engine, spec: &Spec, generation: u32) -> Arc<Scope> {
    Scope::new(Context {
        event: None,
        attempt: NonZeroU32::MIN,
        subscription: Arc::clone(&spec.name),
        generation,
        edit: None,
        states: Arc::clone(&engine.states),
        whole: None,
    })
}

/// What a delivery ends with.
#[derive(Debug)]
pub(super) enum End {
    /// The handler is done, and this is what it wants published.
    Done(Vec<EventData>),
    /// Another attempt follows after a pause that survives a restart.
    Retry(Duration),
    /// No attempt follows.
    Dead(Reason),
    /// Only a newer binary can read the event.
    Newer,
    /// The process is stopping, or hands over and this took too long: the attempt that was about to
    /// follow has not begun, or the one that was under way counts as not begun.
    GivenBack,
}

/// How one attempt went wrong.
#[derive(Debug)]
pub(crate) struct Miss {
    class: Class,
    /// What the reason is called if this attempt was the last.
    last: Reason,
    errors: Vec<String>,
}

/// Delivers one event.
pub(super) async fn deliver(seat: Seat, job: Job) -> Ended {
    let Seat { engine, spec, scope, epoch } = seat;
    let claim = Some(epoch);
    let mut run = Run { engine: &engine, spec: &spec, scope, job, claim, failed: 0, conflicts: 0 };
    let end = run.until_end().await;
    let Run { scope, job, failed, .. } = run;
    Ended { job, end, failed, seat: Some(Seat { engine, spec, scope, epoch }) }
}

/// Gives an event to a handler once more, outside its subscription: one attempt, of which nothing is
/// kept but what the handler does in its transaction.
///
/// # Errors
/// Why the attempt brought nothing.
pub(crate) async fn deliver_again(
    engine: &Arc<Engine>,
    spec: &Spec,
    generation: u32,
    event: Arc<Recorded>,
) -> Result<Vec<EventData>, RunMiss> {
    let (scope, job) = (empty_scope(engine, spec, generation), Job::first(event));
    let mut run = Run { engine, spec, scope, job, claim: None, failed: 0, conflicts: 0 };
    run.attempt(NonZeroU32::MIN).await
}

pub(super) struct Run<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) spec: &'a Spec,
    pub(super) scope: Arc<Scope>,
    pub(super) job: Job,
    /// The epoch under which the event is handled; `None` when it is handled outside of any claim.
    pub(super) claim: Option<u64>,
    failed: u32,
    conflicts: u32,
}

impl Run<'_> {
    async fn until_end(&mut self) -> End {
        loop {
            let attempt = NonZeroU32::MIN.saturating_add(self.job.attempts);
            let pause = match self.attempt(attempt).await {
                Ok(events) => return End::Done(events),
                Err(RunMiss::Newer) => return End::Newer,
                Err(RunMiss::GivenBack) => return End::GivenBack,
                Err(RunMiss::Missed(miss)) if self.is_free_conflict(&miss) => {
                    self.conflicts += 1;
                    conflict_pause(self.engine.clock.draw())
                }
                Err(RunMiss::Missed(miss)) => match self.after_miss(attempt, miss) {
                    Verdict::RetryInPlace(pause) => pause,
                    Verdict::RetryAfter(pause) => return End::Retry(pause),
                    Verdict::Hopeless => return End::Dead(self.hopeless_reason()),
                    Verdict::Exhausted => return End::Dead(self.exhausted_reason()),
                },
            };
            if !self.wait(pause).await {
                return End::GivenBack;
            }
        }
    }

    const fn is_free_conflict(&self, miss: &Miss) -> bool {
        matches!(miss.class, Class::Conflict) && self.conflicts < CONFLICT_RETRIES_MAX
    }

    async fn attempt(&mut self, attempt: NonZeroU32) -> Result<Vec<EventData>, RunMiss> {
        let event = AnyEvent::from(Arc::clone(&self.job.event));
        Scope::begin(&mut self.scope, event, attempt, self.job.edit);
        if self.spec.is_transactional {
            return Box::pin(self.attempt_in_transaction()).await;
        }
        let delivery = Delivery { payload: &Payload::Logged, context: self.scope.context() };
        let run = pin!(Arc::clone(&self.scope).enter(self.spec.run(delivery)));
        let drafts = run_once(run, self.spec, self.engine).await?;
        self.publishable(drafts)
    }

    fn publishable(&self, drafts: Vec<Draft>) -> Result<Vec<EventData>, RunMiss> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.engine.clock.now();
        drafts
            .into_iter()
            .map(|draft| self.scope.cause(draft, now))
            .collect::<crate::Result<_>>()
            .map_err(|error| {
                RunMiss::Missed(Miss::of_kind(
                    Class::Permanent,
                    Reason::Permanent,
                    error.to_string(),
                ))
            })
    }

    fn after_miss(&mut self, attempt: NonZeroU32, miss: Miss) -> Verdict {
        self.conflicts = 0;
        self.failed += u32::from(miss.class != Class::Permanent);
        let time = self.engine.clock.now();
        tracing::warn!(subscription = %self.spec.name, event = %self.job.event.event.id, attempt,
            error = miss.errors.first(), "an attempt failed");
        let errors = miss.errors.into_iter().take(ERRORS_MAX).map(shortened).collect();
        self.job.note(FailedAttempt { attempt: attempt.get(), time, errors });
        self.job.last_reason = Some(miss.last);
        self.spec.retry.verdict(miss.class, attempt, self.engine.clock.draw())
    }

    fn hopeless_reason(&self) -> Reason {
        self.job.last_reason.unwrap_or(Reason::Permanent)
    }

    /// A last attempt that panicked or took too long says so; any other was just one too many.
    fn exhausted_reason(&self) -> Reason {
        match self.job.last_reason {
            Some(reason @ (Reason::Panic | Reason::TimedOut)) => reason,
            _ => Reason::Exhausted,
        }
    }

    /// Waits between attempts; false when the process stops in the meantime, or hands over.
    async fn wait(&self, pause: Duration) -> bool {
        let mut stop = self.engine.stopping();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => false,
            () = self.engine.giving_back.wait(&self.spec.name) => false,
            () = self.engine.clock.sleep(pause) => true,
        }
    }
}

/// Why an attempt brought nothing.
#[derive(Debug)]
pub(crate) enum RunMiss {
    Newer,
    GivenBack,
    Missed(Miss),
}

impl RunMiss {
    /// What a policy makes of it.
    pub(crate) fn verdict(&self, policy: &RetryPolicy, attempt: NonZeroU32, draw: u32) -> Verdict {
        match self {
            Self::Newer | Self::GivenBack => Verdict::Hopeless,
            Self::Missed(miss) => policy.verdict(miss.class, attempt, draw),
        }
    }
}

impl fmt::Display for RunMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer => f.write_str("the event is not known to its handler"),
            Self::GivenBack => f.write_str("the bus has shut down"),
            Self::Missed(miss) => f.write_str(&miss.errors.join(": ")),
        }
    }
}

impl From<Miss> for RunMiss {
    fn from(miss: Miss) -> Self {
        Self::Missed(miss)
    }
}

impl Miss {
    fn of_kind(class: Class, last: Reason, error: String) -> Self {
        Self { class, last, errors: vec![error] }
    }
}

impl From<RunError> for RunMiss {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Undecodable(DecodeError::Newer { .. } | DecodeError::Unknown { .. }) => {
                Self::Newer
            }
            RunError::Undecodable(error @ DecodeError::Malformed { .. }) => {
                Miss::of_kind(Class::Permanent, Reason::Undecodable, error.to_string()).into()
            }
            RunError::Failed(failure) if is_newer(failure.error()) => Self::Newer,
            RunError::Failed(failure) => {
                let (class, last) = (failure.class(), Reason::Permanent);
                Miss { class, last, errors: failure.chain() }.into()
            }
        }
    }
}

/// Whether a handler failed because it decoded an event that only a newer binary can read.
fn is_newer(error: &(dyn std::error::Error + 'static)) -> bool {
    let decode = match error.downcast_ref::<Error>() {
        Some(Error::Decode(decode)) => Some(decode),
        _ => error.downcast_ref::<DecodeError>(),
    };
    match decode {
        Some(decode) => matches!(decode, DecodeError::Newer { .. }),
        None => error.source().is_some_and(is_newer),
    }
}

/// An error's text, as far as it is kept.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    text
}

/// Runs one attempt, catching a panic and ending it when its time is up.
///
/// Most handlers are done at their first poll. Only the others cost a timer, and room for it.
pub(super) async fn run_once<F: Future<Output = Outcome>>(
    mut run: Pin<&mut F>,
    spec: &Spec,
    engine: &Engine,
) -> Result<Vec<Draft>, RunMiss> {
    let first = future::poll_fn(|context| Poll::Ready(poll_once(run.as_mut(), context))).await;
    match first {
        Poll::Ready(ended) => ended,
        Poll::Pending => Box::pin(run_while_allowed(run, spec, engine)).await,
    }
}

/// Runs an attempt that was not done at its first poll, until its time is up, or that of the loop
/// or the bus that it belongs to.
async fn run_while_allowed<F: Future<Output = Outcome>>(
    run: Pin<&mut F>,
    spec: &Spec,
    engine: &Engine,
) -> Result<Vec<Draft>, RunMiss> {
    tokio::select! {
        biased;
        ended = run_on(run, spec.timeout, &engine.clock) => ended,
        () = engine.giving_back.wait(&spec.name) => Err(RunMiss::GivenBack),
    }
}

/// Runs an attempt that was not done at its first poll, until its time is up.
pub(crate) async fn run_on<F: Future<Output = Outcome>>(
    mut run: Pin<&mut F>,
    timeout: Duration,
    clock: &Clock,
) -> Result<Vec<Draft>, RunMiss> {
    tokio::select! {
        biased;
        ended = future::poll_fn(|context| poll_once(run.as_mut(), context)) => ended,
        () = clock.sleep(timeout) => {
            let error = format!("the handler took longer than {timeout:?}");
            Err(Miss::of_kind(Class::Retryable, Reason::TimedOut, error).into())
        }
    }
}

/// Polls an attempt; a panic is a miss like others.
fn poll_once<F: Future<Output = Outcome>>(
    run: Pin<&mut F>,
    context: &mut task::Context<'_>,
) -> Poll<Result<Vec<Draft>, RunMiss>> {
    caught(|| run.poll(context).map_err(RunMiss::from))
        .unwrap_or_else(|miss| Poll::Ready(Err(miss)))
}

/// Runs code of a handler, of which also is what its errors say of themselves.
#[inline]
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, RunMiss> {
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let error = format!("the handler panicked: {}", panic_text(&*panic));
        Miss::of_kind(Class::Retryable, Reason::Panic, error).into()
    })
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
