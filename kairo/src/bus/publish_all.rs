//! Publishing several events in one commit.

use std::{fmt, future::IntoFuture, pin::Pin};

use super::{
    publish::{Bus, append_all, durable_draft},
    published::Published,
};
use crate::{
    engine::dispatch::scope::event_of,
    error::Result,
    event::{publishable::Publishable, record::Draft},
    store::Append,
};

/// Several events that are published together when this is awaited.
#[must_use = "nothing is published until this is awaited"]
pub struct PublishAll<'a> {
    bus: Result<Bus<'a>>,
    drafts: Vec<Result<Draft>>,
}

impl<'a> PublishAll<'a> {
    pub(super) fn new<E: Publishable>(
        bus: Result<Bus<'a>>,
        events: impl IntoIterator<Item = E>,
    ) -> Self {
        let drafts = events.into_iter().map(|event| durable_draft(&event)).collect();
        Self { bus, drafts }
    }

    /// Adds an event, of whatever type.
    #[expect(clippy::needless_pass_by_value, reason = "publishing takes events by value")]
    pub fn and<E: Publishable>(mut self, event: E) -> Self {
        self.drafts.push(durable_draft(&event));
        self
    }

    async fn run(self) -> Result<Published> {
        let bus = self.bus?;
        let shared = bus.get();
        let scope = bus.scope();
        let drafts = self.drafts.into_iter().collect::<Result<Vec<_>>>()?;
        let events =
            drafts.into_iter().map(|draft| event_of(&shared.engine.clock, scope.as_deref(), draft));
        let appends = events.map(|event| event.map(Append::one)).collect::<Result<_>>()?;
        append_all(shared, scope.as_deref(), appends).await
    }
}

impl<'a> IntoFuture for PublishAll<'a> {
    type Output = Result<Published>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Published>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for PublishAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishAll").field("events", &self.drafts.len()).finish_non_exhaustive()
    }
}
