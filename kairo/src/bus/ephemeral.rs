//! Ephemeral events: handled inside `publish`, one handler after the other, without any disk.

use std::{
    cell::Cell,
    collections::HashMap,
    future::poll_fn,
    num::NonZeroU32,
    pin::pin,
    sync::{Arc, PoisonError},
    task::Poll,
};

use super::{
    Shared,
    publish::{append_all, event_of},
    publishable::InMemory,
    published::{Handled, Published},
};
use crate::{
    engine::dispatch::{Outcome, RunMiss, poll_once, run_on, scope::Scope, spec::Spec},
    error::{Error, Result},
    event::record::Draft,
    handler::{Context, context::States, delivery::Delivery},
    observe,
    retry::Verdict,
    store::Append,
};

/// How deep ephemeral deliveries may be nested. Each level is a poll inside a poll, which without
/// optimisation takes some 40 KiB of a thread's 2 MiB of stack.
const NESTED_MAX: u32 = 16;

/// The handlers of ephemeral events, by the event's name.
#[derive(Clone, Debug, Default)]
pub(super) struct Ephemerals {
    by_name: HashMap<&'static str, Arc<[Arc<Handler>]>>,
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
    pub(super) fn add(&mut self, spec: Spec, events: &[&'static str], states: &Arc<States>) {
        let first = Context {
            event: None,
            attempt: NonZeroU32::MIN,
            subscription: Arc::clone(&spec.name),
            generation: 0,
            edit: None,
            states: Arc::clone(states),
        };
        let handler = Arc::new(Handler { spec, first });
        for name in events.iter().filter(|name| handler.spec.interest.wants(name)) {
            let handlers = self.by_name.entry(name).or_default();
            *handlers = handlers.iter().cloned().chain([Arc::clone(&handler)]).collect();
        }
    }

    /// Takes a handler out by its name; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let had = self.has(name);
        for handlers in self.by_name.values_mut() {
            *handlers = handlers.iter().filter(|it| &*it.spec.name != name).cloned().collect();
        }
        had
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.values().flat_map(|handlers| &**handlers).any(|it| &*it.spec.name == name)
    }
}

/// Hands an ephemeral event to its handlers, in the order of their names.
///
/// What most deliveries need stands in one function, because a future that another one awaits is
/// copied into it; what few need is in boxes of its own.
pub(super) async fn publish(shared: &Arc<Shared>, event: InMemory<'_>) -> Result<Published> {
    let engine = &*shared.engine;
    let handlers = {
        let ephemerals = shared.ephemerals.read().unwrap_or_else(PoisonError::into_inner);
        ephemerals.by_name.get(event.name).cloned()
    };
    let mut dropped = Vec::new();
    for (index, handler) in handlers.iter().flat_map(|handlers| &**handlers).enumerate() {
        let Handler { spec, first } = &**handler;
        let delivery = Delivery { payload: event.payload(), context: first };
        let ended = {
            let mut run = pin!(spec.run(&delivery));
            match poll_fn(|task| Poll::Ready(deeper(|| poll_once(run.as_mut(), task)))).await? {
                Poll::Ready(ended) => ended,
                Poll::Pending => Box::pin(nested(run_on(run, spec.timeout, &engine.clock))).await?,
            }
        };
        let is_done = match ended {
            Ok(drafts) if drafts.is_empty() => true,
            ended => Box::pin(go_on(shared, handler, event, ended)).await?,
        };
        if !is_done {
            dropped.push(index);
        }
    }
    Ok(Published::ephemeral(Arc::clone(shared), Ran { handlers, dropped }))
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
        let delivery = Delivery { payload: event.payload(), context: &context };
        let run = pin!(spec.run(&delivery));
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
#[derive(Clone)]
pub(super) struct Ran {
    handlers: Option<Arc<[Arc<Handler>]>>,
    /// Which of them are not done with it.
    dropped: Vec<usize>,
}

impl Ran {
    pub(super) fn handled(&self) -> Handled {
        let handlers = self.handlers.iter().flat_map(|handlers| &**handlers).enumerate();
        let outcomes = handlers.map(|(index, handler)| {
            let done = !self.dropped.contains(&index);
            let outcome = if done { Outcome::Done } else { Outcome::Dropped };
            (Arc::clone(&handler.spec.name), outcome)
        });
        Handled { outcomes: outcomes.collect() }
    }
}

thread_local! {
    /// How many ephemeral deliveries the current poll is nested in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Polls one level deeper; two handlers that feed each other end in an error here, where they
/// would otherwise end with the stack.
fn deeper<T>(poll: impl FnOnce() -> T) -> Result<T> {
    let depth = DEPTH.get();
    if NESTED_MAX <= depth {
        return Err(Error::Misuse(
            "ephemeral events are nested more than 16 deep: do two handlers feed each other?",
        ));
    }
    DEPTH.set(depth + 1);
    let polled = poll();
    DEPTH.set(depth);
    Ok(polled)
}

/// Runs one level deeper.
async fn nested<F: Future>(run: F) -> Result<F::Output> {
    let mut run = pin!(run);
    poll_fn(|task| match deeper(|| run.as_mut().poll(task)) {
        Ok(polled) => polled.map(Ok),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}
