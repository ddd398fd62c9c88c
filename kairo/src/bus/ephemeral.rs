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
    publish::append_all,
    published::{Handled, Published},
};
use crate::{
    engine::dispatch::{
        Outcome, RunMiss, caught, run_on,
        scope::{Scope, event_of},
        spec::Spec,
    },
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
            whole: None,
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

/// One ephemeral event on its way through its handlers, in the order of their names.
///
/// What most rounds need is one plain function, in which the handlers run that are done at once;
/// what few need is in a box of its own.
pub(super) struct Round<'a> {
    shared: &'a Arc<Shared>,
    event: InMemory<'a>,
    handlers: Handlers,
}

/// The handler's run of this moment, which stays where it is when it has to wait.
pub(super) type Slot<'s, 'a> = Pin<&'s mut Option<HandlerFuture<'a>>>;

/// What a handler has come to that is not just done. It fits into registers.
pub(super) enum Met {
    Ended(Box<Result<Vec<Draft>, RunMiss>>),
    Waits,
    TooDeep,
}

impl<'a> Round<'a> {
    /// A round of those who handle the event, if anybody does.
    #[inline]
    pub(super) fn new(shared: &'a Arc<Shared>, event: InMemory<'a>) -> Option<Self> {
        let handlers = handlers_of(shared, event.type_id)?;
        Some(Self { shared, event, handlers })
    }

    /// Runs all handlers that are done at their first poll, from this one on. Which one is not, and
    /// what it has come to.
    pub(super) fn sweep<'s>(
        &'s self,
        from: usize,
        mut slot: Slot<'_, 's>,
        task: &mut task::Context<'_>,
    ) -> Option<(usize, Met)> {
        let depth = DEPTH.get();
        if NESTED_MAX <= depth {
            return Some((from, Met::TooDeep));
        }
        DEPTH.set(depth + 1);
        let mut index = from;
        let met = caught(|| {
            while let Some(Listed { call, handler }) = self.handlers.get(index) {
                let delivery = Delivery { payload: &self.event.payload, context: &handler.first };
                // Each on its own: what both would give first is copied once more.
                match call {
                    Some(call) => slot.set(Some(call(delivery))),
                    None => slot.set(Some(handler.spec.run(delivery))),
                }
                match slot.as_mut().as_pin_mut().map(|run| run.poll(task)) {
                    Some(Poll::Ready(Ok(drafts))) if drafts.is_empty() => index += 1,
                    Some(Poll::Ready(outcome)) => {
                        return Some(Met::Ended(Box::new(outcome.map_err(RunMiss::from))));
                    }
                    Some(Poll::Pending) | None => return Some(Met::Waits),
                }
            }
            None
        });
        DEPTH.set(depth);
        let met = met.unwrap_or_else(|miss| Some(Met::Ended(Box::new(Err(miss)))));
        met.map(|met| (index, met))
    }

    /// What a round comes to in which every handler is done at its first poll.
    #[inline]
    pub(super) fn all_done(self) -> Ran {
        Ran { handlers: Some(self.handlers), dropped: Vec::new() }
    }

    /// Goes on with a handler that was not done at its first poll, and with those behind it.
    pub(super) async fn go_on<'s>(
        &'s self,
        mut slot: Slot<'_, 's>,
        met: (usize, Met),
    ) -> Result<Published> {
        let (mut met, mut dropped) = (Some(met), Vec::new());
        while let Some((index, what)) = met {
            let Some(Listed { handler, .. }) = self.handlers.get(index) else { break };
            let ended = match what {
                Met::Ended(ended) => *ended,
                Met::Waits => match slot.as_mut().as_pin_mut() {
                    Some(run) => {
                        let (timeout, clock) = (handler.spec.timeout, &self.shared.engine.clock);
                        nested(run_on(run, timeout, clock)).await?
                    }
                    None => Ok(Vec::new()),
                },
                Met::TooDeep => return Err(TOO_DEEP),
            };
            if !self.settle(handler, ended).await? {
                dropped.push(index);
            }
            met = poll_fn(|task| Poll::Ready(self.sweep(index + 1, slot.as_mut(), task))).await;
        }
        Ok(Published::ephemeral(Ran { handlers: Some(Arc::clone(&self.handlers)), dropped }))
    }

    /// Publishes what a handler's first attempt returned, or tries again until its short retries are
    /// used up; whether it is done.
    async fn settle(
        &self,
        handler: &Handler,
        mut ended: Result<Vec<Draft>, RunMiss>,
    ) -> Result<bool> {
        let (engine, Handler { spec, first }) = (&self.shared.engine, handler);
        let mut context = first.clone();
        loop {
            let miss = match ended {
                Ok(drafts) if drafts.is_empty() => return Ok(true),
                Ok(drafts) => return append(self.shared, drafts).await.map(|()| true),
                Err(miss) => miss,
            };
            match miss.verdict(&spec.retry, context.attempt, engine.clock.draw()) {
                Verdict::RetryInPlace(pause) => engine.clock.sleep(pause).await,
                // There is no disk for it to survive on; but who asks for it, gets it.
                Verdict::RetryAfter(pause) if spec.own_retry => engine.clock.sleep(pause).await,
                Verdict::RetryAfter(_) | Verdict::Hopeless | Verdict::Exhausted => {
                    let name = spec.name.to_string();
                    metrics::counter!(observe::DROPPED, "subscription" => name).increment(1);
                    tracing::error!(subscription = %spec.name, event = self.event.name, error = %miss,
                        "an ephemeral event is dropped");
                    return Ok(false);
                }
            }
            context.attempt = context.attempt.saturating_add(1);
            let delivery = Delivery { payload: &self.event.payload, context: &context };
            let run = pin!(spec.run(delivery));
            ended = nested(run_on(run, spec.timeout, &engine.clock)).await?;
        }
    }
}

fn handlers_of(shared: &Shared, event: TypeId) -> Option<Handlers> {
    let ephemerals = shared.ephemerals.read().unwrap_or_else(PoisonError::into_inner);
    ephemerals.by_type.get(&event).cloned()
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
