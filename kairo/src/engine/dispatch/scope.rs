//! What is being handled in the current task, so that whatever is published there has its cause.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use crate::{
    clock::{Clock, Timestamp},
    error::{Error, Result},
    event::{
        envelope::AnyEvent,
        name::EventName,
        record::{Draft, EventData, Metadata, TRACEPARENT},
    },
    handler::context::{Context, Whole, derived_id},
    store::PAYLOAD_MAX,
};

/// The longest chain of causes; a longer one is taken for two handlers that feed each other.
pub(crate) const DEPTH_MAX: u32 = 64;

tokio::task_local! {
    static CURRENT: Arc<Scope>;
}

/// One attempt of a handler, as the things that it publishes see it.
#[derive(Debug)]
pub(crate) struct Scope {
    context: Context,
    /// How many events of each name this attempt has published.
    ordinals: Mutex<Vec<Ordinals>>,
}

/// What makes a handler, a step or a stage publish: an event, a saga, or the run of a pipeline.
struct Cause<'a> {
    id: Uuid,
    correlation: Uuid,
    depth: u32,
    event: Option<&'a EventData>,
}

impl<'a> Cause<'a> {
    fn of(context: &'a Context) -> Option<Self> {
        if let Some(event) = context.data() {
            let EventData { id, correlation, depth, .. } = *event;
            return Some(Self { id, correlation, depth, event: Some(event) });
        }
        let whole = context.whole.as_ref()?;
        let Whole { id, correlation, depth, .. } = *whole;
        Some(Self { id, correlation, depth, event: None })
    }

    /// The trace context, which travels from cause to effect.
    fn trace(&self) -> Metadata {
        let trace = self.event.and_then(|event| event.metadata.get_key_value(TRACEPARENT));
        trace.map(|(key, value)| (key.clone(), value.clone())).into_iter().collect()
    }
}

/// How many events an attempt had published at some point.
#[derive(Debug)]
pub(crate) struct Mark(Vec<Ordinals>);

/// The ordinals of one name: those from `next` on are free, and those that were given back.
#[derive(Clone, Debug)]
struct Ordinals {
    name: EventName,
    next: u32,
    free: Vec<u32>,
}

impl Scope {
    pub(crate) fn new(context: Context) -> Arc<Self> {
        Arc::new(Self { context, ordinals: Mutex::default() })
    }

    /// Begins an attempt: in this scope, or in one like it while somebody still has this one.
    pub(crate) fn begin(
        scope: &mut Arc<Self>,
        event: AnyEvent,
        attempt: NonZeroU32,
        edit: Option<Uuid>,
    ) {
        let event = Some(event);
        if let Some(Self { context, ordinals }) = Arc::get_mut(scope) {
            (context.event, context.attempt, context.edit) = (event, attempt, edit);
            ordinals.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        } else {
            let like = scope.context.clone();
            *scope = Self::new(Context { event, attempt, edit, ..like });
        }
    }

    /// What the handler's run knows.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// Runs a handler inside its scope.
    pub(crate) fn enter<F: Future>(self: Arc<Self>, run: F) -> TaskLocalFuture<Arc<Self>, F> {
        CURRENT.scope(self, run)
    }

    /// The scope of the handler that the current task runs.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Makes an event that the handled one causes. Its id follows from its cause, so that another
    /// attempt makes the same one.
    pub(crate) fn cause(&self, draft: Draft, now: Timestamp) -> Result<EventData> {
        check_size(&draft)?;
        let Some(cause) = Cause::of(&self.context) else {
            return Err(Error::Misuse("an ephemeral event cannot cause derived events"));
        };
        if DEPTH_MAX <= cause.depth {
            return Err(Error::Misuse(
                "an event has more than 64 causes before it: do two handlers feed each other?",
            ));
        }
        let id =
            derived_id(&self.context, cause.id, draft.name.as_str(), self.ordinal(&draft.name));
        Ok(EventData {
            derived: true,
            correlation: cause.correlation,
            causation: Some(cause.id),
            depth: cause.depth + 1,
            metadata: cause.trace(),
            ..draft.into_event(id, now)
        })
    }

    /// Takes back an event that was not published, so that the next one of its name gets its id:
    /// another attempt, which may not fail there, then makes the same ids.
    pub(crate) fn give_back(&self, event: &EventName, id: Uuid) {
        let Some(cause) = Cause::of(&self.context) else { return };
        let mut ordinals = self.ordinals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_name) = ordinals.iter_mut().find(|known| known.name == *event) else { return };
        let is_its =
            |ordinal: &u32| derived_id(&self.context, cause.id, event.as_str(), *ordinal) == id;
        of_name.free.extend((0..of_name.next).find(is_its));
    }

    /// An id that every attempt has again for its `n`-th use of a name, without an event.
    pub(crate) fn own_id(&self, name: &EventName) -> Option<Uuid> {
        let cause = Cause::of(&self.context)?;
        Some(derived_id(&self.context, cause.id, name.as_str(), self.ordinal(name)))
    }

    /// How many events have been published by now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.ordinals.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Goes back to where a part of the attempt began, which now begins again: what it publishes gets
    /// the ids that it got before.
    pub(crate) fn rewind(&self, mark: &Mark) {
        self.ordinals.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&mark.0);
    }

    /// Whether it is the attempt of a handler or a step, and not just the run of a pipeline.
    fn is_attempt(&self) -> bool {
        self.context.event.is_some() || self.context.whole.as_ref().is_none_or(Whole::is_saga)
    }

    fn ordinal(&self, name: &EventName) -> u32 {
        let mut ordinals = self.ordinals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_name) = ordinals.iter_mut().find(|known| known.name == *name) else {
            ordinals.push(Ordinals { name: name.clone(), next: 1, free: Vec::new() });
            return 0;
        };
        of_name.free.pop().unwrap_or_else(|| {
            of_name.next += 1;
            of_name.next - 1
        })
    }
}

/// Refuses to wait for handlers inside one of them.
pub(crate) fn refuse_in_handler() -> Result {
    match Scope::current().filter(|scope| scope.is_attempt()) {
        Some(_) => {
            Err(Error::Misuse("inside a handler, waiting for handlers would wait for itself"))
        }
        None => Ok(()),
    }
}

/// Makes an event of a draft, with the handler that is running as its cause if there is one.
pub(crate) fn event_of(clock: &Clock, scope: Option<&Scope>, draft: Draft) -> Result<EventData> {
    match scope {
        Some(scope) => scope.cause(draft, clock.now()),
        None => root(draft, clock),
    }
}

/// Makes an event that no handler causes.
fn root(draft: Draft, clock: &Clock) -> Result<EventData> {
    check_size(&draft)?;
    Ok(draft.into_event(clock.new_id(), clock.now()))
}

fn check_size(draft: &Draft) -> Result<()> {
    let bytes = draft.payload.len();
    if PAYLOAD_MAX < bytes {
        let event = draft.name.to_string();
        return Err(Error::PayloadTooLarge { event, bytes, limit: PAYLOAD_MAX });
    }
    Ok(())
}
