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
    publishable::InMemory,
    published::{Handled, Published},
};
use crate::{
    engine::{
        Engine,
        dispatch::{
            Outcome, poll_once, run_on,
            scope::{DEPTH_MAX, root},
            spec::Spec,
        },
    },
    error::{Error, Result},
    event::record::Draft,
    handler::{
        Context,
        context::States,
        delivery::{Delivery, Payload},
    },
    retry::Verdict,
    store::{Append, Unit},
};

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
pub(super) async fn publish(shared: &Arc<Shared>, event: InMemory<'_>) -> Result<Published> {
    let handlers = {
        let ephemerals = shared.ephemerals.read().unwrap_or_else(PoisonError::into_inner);
        ephemerals.by_name.get(event.name).cloned()
    };
    let mut handled = Handled::default();
    for handler in handlers.iter().flat_map(|handlers| &**handlers) {
        if !deliver(&shared.engine, handler, event).await? {
            handled.outcomes.push((Arc::clone(&handler.spec.name), Outcome::Dropped));
        }
    }
    Ok(Published::ephemeral(Arc::clone(shared), handled))
}

/// Runs one handler until it is done or its short retries are used up; whether it is done.
async fn deliver(engine: &Engine, handler: &Handler, event: InMemory<'_>) -> Result<bool> {
    let spec = &handler.spec;
    let mut again: Option<Context> = None;
    loop {
        let context = again.as_ref().unwrap_or(&handler.first);
        let payload = Payload::Shared { value: event.value, encode: event.encode };
        let delivery = Delivery { payload, context };
        let ended = {
            let mut run = pin!(spec.run(&delivery));
            match poll_fn(|task| Poll::Ready(deeper(|| poll_once(run.as_mut(), task)))).await? {
                Poll::Ready(ended) => ended,
                Poll::Pending => Box::pin(nested(run_on(run, spec.timeout, &engine.clock))).await?,
            }
        };
        let miss = match ended {
            Ok(drafts) if drafts.is_empty() => return Ok(true),
            Ok(drafts) => return append(engine, drafts).await.map(|()| true),
            Err(miss) => miss,
        };
        match miss.verdict(&spec.retry, context.attempt, engine.clock.draw()) {
            Verdict::RetryInPlace(pause) => Box::pin(engine.clock.sleep(pause)).await,
            // There is no disk for a longer pause to survive on.
            Verdict::RetryAfter(_) | Verdict::Hopeless | Verdict::Exhausted => {
                tracing::error!(subscription = %spec.name, event = event.name, error = %miss,
                    "an ephemeral event is dropped");
                return Ok(false);
            }
        }
        let attempt = context.attempt.saturating_add(1);
        again = Some(Context { attempt, ..handler.first.clone() });
    }
}

/// Appends what an ephemeral event's handler returned.
async fn append(engine: &Engine, drafts: Vec<Draft>) -> Result {
    let events = drafts.into_iter().map(|draft| root(draft, &engine.clock).map(Append::one));
    engine.backend.commit(Unit::of_appends(events.collect::<Result<_>>()?)).await?;
    Ok(())
}

thread_local! {
    /// How many ephemeral deliveries the current poll is nested in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Polls one level deeper; two handlers that feed each other end in an error here, where they
/// would otherwise end with the stack.
fn deeper<T>(poll: impl FnOnce() -> T) -> Result<T> {
    let depth = DEPTH.get();
    if DEPTH_MAX <= depth {
        return Err(Error::Misuse(
            "ephemeral events are nested more than 64 deep: do two handlers feed each other?",
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
