//! What is being handled in the current task, so that whatever is published there has its cause.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    error::{Error, Result},
    event::{
        own_stream,
        record::{Draft, EventData, Metadata, TRACEPARENT},
    },
    handler::context::{Context, derived_id},
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
    ordinals: Mutex<Vec<(String, u32)>>,
}

impl Scope {
    pub(crate) fn new(context: Context) -> Arc<Self> {
        Arc::new(Self { context, ordinals: Mutex::default() })
    }

    /// What the handler's run knows.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// Runs a handler inside its scope.
    pub(crate) async fn enter<F: Future>(self: Arc<Self>, run: F) -> F::Output {
        CURRENT.scope(self, run).await
    }

    /// The scope of the handler that the current task runs.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Makes an event that the handled one causes. Its id follows from its cause, so that another
    /// attempt makes the same one.
    pub(crate) fn cause(&self, draft: Draft, now: jiff::Timestamp) -> Result<EventData> {
        check_size(&draft)?;
        let Some(cause) = self.context.data() else {
            return Err(Error::Misuse("an ephemeral event cannot cause derived events"));
        };
        if DEPTH_MAX <= cause.depth {
            return Err(Error::Misuse(
                "an event has more than 64 causes before it: do two handlers feed each other?",
            ));
        }
        let id = derived_id(&self.context, cause.id, draft.name.as_str(), self.ordinal(&draft));
        let trace = cause.metadata.get_key_value(TRACEPARENT);
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
            metadata: trace.map(|(key, value)| (key.clone(), value.clone())).into_iter().collect(),
            payload: draft.payload,
        })
    }

    fn ordinal(&self, draft: &Draft) -> u32 {
        let mut ordinals = self.ordinals.lock().unwrap_or_else(PoisonError::into_inner);
        let name = draft.name.as_str();
        if let Some((_, count)) = ordinals.iter_mut().find(|(known, _)| known == name) {
            *count += 1;
            return *count;
        }
        ordinals.push((name.to_owned(), 0));
        0
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
