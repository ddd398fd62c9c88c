//! Ephemeral events: handled inside `publish`, one handler after the other, without any disk.

use std::{
    any::TypeId,
    cell::Cell,
    collections::HashMap,
    future::poll_fn,
    hash::{BuildHasherDefault, Hasher},
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::{Arc, PoisonError},
    task::{self, Poll},
};

use super::{
    Shared,
    publish::{append_all, event_of},
    published::{Handled, Published},
};
use crate::{
    engine::dispatch::{Outcome, RunMiss, caught, run_on, scope::Scope, spec::Spec},
    error::{Error, Result},
    event::{publishable::InMemory, record::Draft},
    handler::{
        Context,
        context::States,
        delivery::{Delivery, HandlerFuture},
        entry::Call,
    },
    observe,
    retry::Verdict,
    store::Append,
};

/// How deep ephemeral deliveries may be nested. Each level is a poll inside a poll, which without
/// optimisation takes some 40 KiB of a thread's 2 MiB of stack.
const NESTED_MAX: u32 = 16;

const TOO_DEEP: Error = Error::Misuse(
    "ephemeral events are nested more than 16 deep: do two handlers feed each other?",
);

/// The handlers of one kind of event, in the order in which they run.
type Handlers = Arc<[Listed]>;

/// A handler in its place. Where a plain function runs it, most deliveries need nothing else of it,
/// and so touch no other memory.
#[derive(Clone, Debug)]
struct Listed {
    call: Option<Call>,
    handler: Arc<Handler>,
}

/// The handlers of ephemeral events, by the event's type.
#[derive(Clone, Debug, Default)]
pub(super) struct Ephemerals {
    by_type: HashMap<TypeId, Handlers, BuildHasherDefault<TypeHasher>>,
}

/// Hashes a [`TypeId`], which is a hash already, as itself.
#[derive(Default)]
struct TypeHasher(u64);

impl Hasher for TypeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A handler of ephemeral events.
#[derive(Debug)]
struct Handler {
    spec: Spec,
    /// What its runs know at their first attempt, so that a delivery need not put it together.
    first: Context,
}

impl Ephemerals {
    /// Adds a handler for each of these events that it wants.
    pub(super) fn add(
        &mut self,
        spec: Spec,
        events: &[(&'static str, TypeId)],
        states: &Arc<States>,
    ) {
        let first = Context {
            event: None,
            attempt: NonZeroU32::MIN,
            subscription: Arc::clone(&spec.name),
            generation: 0,
            edit: None,
            states: Arc::clone(states),
        };
        let listed = Listed { call: spec.call(), handler: Arc::new(Handler { spec, first }) };
        let interest = &listed.handler.spec.interest;
        for (_, event) in events.iter().filter(|(name, _)| interest.wants(name)) {
            let handlers = self.by_type.entry(*event).or_default();
            *handlers = handlers.iter().cloned().chain([listed.clone()]).collect();
        }
    }

    /// Takes a handler out by its name; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let had = self.has(name);
        for handlers in self.by_type.values_mut() {
            *handlers =
                handlers.iter().filter(|it| &*it.handler.spec.name != name).cloned().collect();
        }
        had
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_type
            .values()
            .flat_map(|handlers| &**handlers)
            .any(|it| &*it.handler.spec.name == name)
    }
}

/// Hands an ephemeral event to its handlers, in the order of their names.
///
/// What most deliveries need stands in one block, because a future that another one awaits is
/// copied into it; what few need is in boxes of its own.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(super) fn publish<'a>(
    shared: &'a Arc<Shared>,
    event: InMemory<'a>,
) -> impl Future<Output = Result<Published>> + Send {
    async move {
        let Some(handlers) = handlers_of(shared, event.type_id) else {
            return Ok(Published::ephemeral(Ran::default()));
        };
        let (mut index, mut dropped) = (0, Vec::new());
        while let Some(Listed { call, handler }) = handlers.get(index) {
            let delivery = Delivery { payload: &event.payload, context: &handler.first };
            let mut run = pin!(match call {
                Some(call) => call(delivery),
                None => handler.spec.run(delivery),
            });
            let ended = match poll_fn(|task| Poll::Ready(first_poll(run.as_mut(), task))).await {
                First::Done => {
                    index += 1;
                    continue;
                }
                First::Ended(ended) => *ended,
                First::Waits => {
                    let (timeout, clock) = (handler.spec.timeout, &shared.engine.clock);
                    Box::pin(nested(run_on(run, timeout, clock))).await?
                }
                First::TooDeep => return Err(TOO_DEEP),
            };
            if !Box::pin(go_on(shared, handler, event, ended)).await? {
                dropped.push(index);
            }
            index += 1;
        }
        Ok(Published::ephemeral(Ran { handlers: Some(handlers), dropped }))
    }
}

fn handlers_of(shared: &Shared, event: TypeId) -> Option<Handlers> {
    let ephemerals = shared.ephemerals.read().unwrap_or_else(PoisonError::into_inner);
    ephemerals.by_type.get(&event).cloned()
}

/// What the first poll of a handler has come to, which is the last one of most. It fits into
/// registers.
enum First {
    Done,
    Ended(Box<Result<Vec<Draft>, RunMiss>>),
    Waits,
    TooDeep,
}

fn first_poll(run: Pin<&mut HandlerFuture<'_>>, task: &mut task::Context<'_>) -> First {
    let depth = DEPTH.get();
    if NESTED_MAX <= depth {
        return First::TooDeep;
    }
    DEPTH.set(depth + 1);
    let first = caught(|| match run.poll(task) {
        Poll::Ready(Ok(drafts)) if drafts.is_empty() => First::Done,
        Poll::Ready(outcome) => First::Ended(Box::new(outcome.map_err(RunMiss::from))),
        Poll::Pending => First::Waits,
    });
    DEPTH.set(depth);
    first.unwrap_or_else(|miss| First::Ended(Box::new(Err(miss))))
}

/// Publishes what a handler's first attempt returned, or tries again until its short retries are
/// used up; whether it is done.
async fn go_on(
    shared: &Arc<Shared>,
    handler: &Handler,
    event: InMemory<'_>,
    mut ended: Result<Vec<Draft>, RunMiss>,
) -> Result<bool> {
    let (engine, Handler { spec, first }) = (&shared.engine, handler);
    let mut context = first.clone();
    loop {
        let miss = match ended {
            Ok(drafts) if drafts.is_empty() => return Ok(true),
            Ok(drafts) => return append(shared, drafts).await.map(|()| true),
            Err(miss) => miss,
        };
        match miss.verdict(&spec.retry, context.attempt, engine.clock.draw()) {
            Verdict::RetryInPlace(pause) => engine.clock.sleep(pause).await,
            // There is no disk for it to survive on; but who asks for it, gets it.
            Verdict::RetryAfter(pause) if spec.own_retry => engine.clock.sleep(pause).await,
            Verdict::RetryAfter(_) | Verdict::Hopeless | Verdict::Exhausted => {
                let name = spec.name.to_string();
                metrics::counter!(observe::DROPPED, "subscription" => name).increment(1);
                tracing::error!(subscription = %spec.name, event = event.name, error = %miss,
                    "an ephemeral event is dropped");
                return Ok(false);
            }
        }
        context.attempt = context.attempt.saturating_add(1);
        let delivery = Delivery { payload: &event.payload, context: &context };
        let run = pin!(spec.run(delivery));
        ended = nested(run_on(run, spec.timeout, &engine.clock)).await?;
    }
}

/// Appends what an ephemeral event's handler returned; its cause is the durable event that is
/// being handled, if there is one.
async fn append(shared: &Arc<Shared>, drafts: Vec<Draft>) -> Result {
    let scope = Scope::current();
    let events =
        drafts.into_iter().map(|draft| event_of(&shared.engine.clock, scope.as_deref(), draft));
    let appends = events.map(|event| event.map(Append::one)).collect::<Result<_>>()?;
    append_all(shared, scope.as_deref(), appends).await.map(drop)
}

/// The handlers that an ephemeral event ran through.
#[derive(Clone, Default)]
pub(super) struct Ran {
    handlers: Option<Handlers>,
    /// Which of them are not done with it.
    dropped: Vec<usize>,
}

impl Ran {
    pub(super) fn handled(&self) -> Handled {
        let handlers = self.handlers.iter().flat_map(|handlers| &**handlers).enumerate();
        let outcomes = handlers.map(|(index, listed)| {
            let done = !self.dropped.contains(&index);
            let outcome = if done { Outcome::Done } else { Outcome::Dropped };
            (Arc::clone(&listed.handler.spec.name), outcome)
        });
        Handled { outcomes: outcomes.collect() }
    }
}

thread_local! {
    /// How many ephemeral deliveries the current poll is nested in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs one level deeper; two handlers that feed each other end in an error here, where they would
/// otherwise end with the stack.
async fn nested<F: Future>(run: F) -> Result<F::Output> {
    let mut run = pin!(run);
    poll_fn(|task| {
        let depth = DEPTH.get();
        if NESTED_MAX <= depth {
            return Poll::Ready(Err(TOO_DEEP));
        }
        DEPTH.set(depth + 1);
        let polled = run.as_mut().poll(task);
        DEPTH.set(depth);
        polled.map(Ok)
    })
    .await
}
