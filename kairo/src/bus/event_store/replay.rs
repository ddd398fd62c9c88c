//! Going through streams again: through a function, through a handler, or into a value.

use std::sync::Arc;

use futures_util::{TryStreamExt, stream::BoxStream};

use super::{EventStore, no_stream, read::stream_events};
use crate::{
    bus::Kairo,
    engine::dispatch::{deliver_again, spec::Spec},
    error::{BoxError, Error, Result},
    event::{envelope::AnyEvent, name::StreamName},
    nearest::nearest,
    store::{Append, StreamRange, Unit},
};

impl EventStore {
    /// Gives every event of a stream to a function, in order, and says how many there were.
    ///
    /// # Errors
    /// [`Error::Replay`] with the event at which the function failed, and then it sees no other;
    /// [`Error::NotFound`] for a stream that never had an event.
    pub async fn replay<F, Fut, E>(&self, stream: &str, mut replay: F) -> Result<u64>
    where
        F: FnMut(AnyEvent) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let mut events = self.existing(stream).await?;
        let mut count = 0;
        while let Some(event) = events.try_next().await? {
            let (name, version) = (event.name().to_owned(), event.version());
            replay(event).await.map_err(|error| failed(stream, name, version, error.into()))?;
            count += 1;
        }
        Ok(count)
    }

    /// Folds the events of several streams into a value, all of them in log order.
    ///
    /// Each stream takes the memory of one page. A stream that does not exist has no events.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no stream can have; [`Error::Store`] when the store
    /// fails; whatever `apply` fails with.
    pub async fn project<T, S: AsRef<str>>(
        &self,
        streams: impl IntoIterator<Item = S>,
        init: T,
        mut apply: impl FnMut(&mut T, &AnyEvent) -> Result,
    ) -> Result<T> {
        let mut heads = Vec::new();
        for stream in streams {
            let name = StreamName::new(stream.as_ref())?;
            let mut events = stream_events(self.clone(), name, StreamRange::ALL);
            if let Some(first) = events.try_next().await? {
                heads.push((first, events));
            }
        }
        let mut value = init;
        while let Some(index) = first_in_log(&heads) {
            let (event, events) = &mut heads[index];
            apply(&mut value, event)?;
            match events.try_next().await? {
                Some(next) => *event = next,
                None => drop(heads.swap_remove(index)),
            }
        }
        Ok(value)
    }

    /// The events of a stream that has or had some.
    async fn existing(&self, stream: &str) -> Result<BoxStream<'static, Result<AnyEvent>>> {
        let name = StreamName::new(stream)?;
        if self.backend.stream_stats(&name).await?.is_none() {
            return Err(no_stream(stream));
        }
        Ok(stream_events(self.clone(), name, StreamRange::ALL))
    }
}

fn first_in_log<S>(heads: &[(AnyEvent, S)]) -> Option<usize> {
    (0..heads.len()).min_by_key(|index| heads[*index].0.position())
}

fn failed(stream: &str, event: String, version: u64, source: BoxError) -> Error {
    Error::Replay { event, stream: stream.to_owned(), version, source }
}

impl Kairo {
    /// Gives the events of a stream to a handler of this process once more, in order, and says how
    /// many it wanted. The handler is named by its durable name, or the end of it.
    ///
    /// Every event gets one attempt, and nothing is parked or buried. What the handler publishes is
    /// in the log once: an event that it has published before is not published again. Meanwhile its
    /// subscription goes on by itself.
    ///
    /// # Errors
    /// [`Error::Replay`] with the event at which the handler failed, and then it sees no other;
    /// [`Error::NotFound`] for a stream that never had an event, or a handler that does not run
    /// here.
    pub async fn replay(&self, stream: &str, handler: &str) -> Result<u64> {
        let (spec, generation) = self.replayable(handler).await?;
        let engine = &self.shared.engine;
        let mut events = self.store().existing(stream).await?;
        let mut count = 0;
        while let Some(event) = events.try_next().await? {
            if !spec.interest.wants(event.name()) {
                continue;
            }
            let (name, version) = (event.name().to_owned(), event.version());
            let Some(event) = event.recorded() else { continue };
            let caused = deliver_again(engine, &spec, generation, event).await;
            let caused =
                caused.map_err(|miss| failed(stream, name, version, miss.to_string().into()))?;
            if !caused.is_empty() {
                let appends = caused.into_iter().map(Append::one).collect();
                engine.backend.commit(Unit::of_appends(appends)).await?;
            }
            count += 1;
        }
        Ok(count)
    }

    /// A handler that runs here, and the generation of its subscription.
    async fn replayable(&self, handler: &str) -> Result<(Arc<Spec>, u32)> {
        let running = self.shared.running_all();
        let is_meant = |name: &str| {
            name.strip_suffix(handler).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        };
        let Some(running) = running.iter().find(|it| is_meant(&it.spec.name)) else {
            let names = running.iter().map(|it| &*it.spec.name);
            let hint = nearest(handler, names).map(|name| format!("; did you mean `{name}`?"));
            let value = format!("{handler}{}", hint.unwrap_or_default());
            return Err(Error::NotFound { what: "handler", value });
        };
        let rows = self.shared.engine.backend.subscriptions().await?;
        let row = rows.iter().find(|row| *row.subscription == *running.spec.name);
        Ok((Arc::clone(&running.spec), row.map_or(0, |row| row.generation)))
    }
}
