//! What is being handled in the current task, so that whatever is published there has its cause.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    event::{
        envelope::AnyEvent,
        name::EventName,
        own_stream,
        record::{Draft, EventData, Metadata, TRACEPARENT},
    },
    handler::context::{Context, SagaRun, derived_id},
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

/// What makes a handler or a step publish: an event, or a saga.
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
        let saga = context.saga.as_ref()?;
        let SagaRun { id, correlation, depth, .. } = *saga;
        Some(Self { id, correlation, depth, event: None })
    }

    /// The trace context, which travels from cause to effect.
    fn trace(&self) -> Metadata {
        let trace = self.event.and_then(|event| event.metadata.get_key_value(TRACEPARENT));
        trace.map(|(key, value)| (key.clone(), value.clone())).into_iter().collect()
    }
}

/// The ordinals of one name: those from `next` on are free, and those that were given back.
#[derive(Debug)]
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
    pub(crate) fn cause(&self, draft: Draft, now: jiff::Timestamp) -> Result<EventData> {
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
            id,
            derived: true,
            stream: draft.stream.unwrap_or_else(|| own_stream(&draft.name, id)),
            name: draft.name,
            schema: draft.schema,
            time: now,
            correlation: cause.correlation,
            causation: Some(cause.id),
            depth: cause.depth + 1,
            metadata: cause.trace(),
            payload: draft.payload,
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
    match Scope::current() {
        Some(_) => {
            Err(Error::Misuse("inside a handler, waiting for handlers would wait for itself"))
        }
        None => Ok(()),
    }
}

/// Makes an event that no handler causes.
pub(crate) fn root(draft: Draft, clock: &crate::clock::Clock) -> Result<EventData> {
    check_size(&draft)?;
    let id = clock.new_id();
    Ok(EventData {
        id,
        derived: false,
        stream: draft.stream.unwrap_or_else(|| own_stream(&draft.name, id)),
        name: draft.name,
        schema: draft.schema,
        time: clock.now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: draft.payload,
    })
}

fn check_size(draft: &Draft) -> Result<()> {
    let bytes = draft.payload.len();
    if PAYLOAD_MAX < bytes {
        let event = draft.name.to_string();
        return Err(Error::PayloadTooLarge { event, bytes, limit: PAYLOAD_MAX });
    }
    Ok(())
}
