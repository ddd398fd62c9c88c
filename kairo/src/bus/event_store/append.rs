//! Appending to a stream, deleting one, and keeping snapshots.

use std::sync::Arc;

use super::EventStore;
use crate::{
    bus::publish::durable_draft,
    engine::{
        dispatch::scope::{Scope, event_of},
        tx::refuse_beside,
    },
    error::Result,
    event::{name::StreamName, publishable::Publishable, record::EventData},
    store::{Append, Placed, Removal, Snapshot, Unit, Version},
};

impl EventStore {
    /// Appends events to a stream in one commit, if the stream is as expected: all of them, or
    /// none. Where they have gone is answered in their order.
    ///
    /// Inside a handler they have the handled event as their cause, and are in the log once even
    /// if the handler runs again. No events are no change, whatever is expected.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the stream is at another version;
    /// [`Error::Tombstone`](crate::Error::Tombstone) when it is closed for good; otherwise as
    /// [`Kairo::publish`](crate::Kairo::publish).
    pub async fn append<E: Publishable>(
        &self,
        stream: impl Into<Arc<str>>,
        expected: Version,
        events: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Placed>> {
        let stream = StreamName::new(stream)?;
        let drafts = events.into_iter().map(|event| durable_draft(&event));
        let drafts = drafts.collect::<Result<Vec<_>>>()?;
        let scope = Scope::current();
        let events = drafts.into_iter().map(|draft| {
            let event = event_of(&self.clock, scope.as_deref(), draft)?;
            Ok(EventData { stream: stream.clone(), ..event })
        });
        let events = events.collect::<Result<Vec<_>>>()?;
        let names: Vec<_> = events.iter().map(|event| (event.name.clone(), event.id)).collect();
        refuse_beside()?;
        let append = Append { stream: stream.clone(), expected, events };
        let committed = self.backend.commit(Unit::of_appends(vec![append])).await;
        if let (Some(scope), Err(_)) = (&scope, &committed) {
            for (name, id) in &names {
                scope.give_back(name, *id);
            }
        }
        Ok(committed?.placed)
    }

    /// Deletes the events of a stream, if it is as expected. Its versions go on behind them, so
    /// that nobody mistakes a new event for an old one.
    ///
    /// A subscription that has not come to them will not see them. Deleting a stream that has no
    /// events changes nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the stream is at another version.
    pub async fn delete(&self, stream: impl Into<Arc<str>>, expected: Version) -> Result {
        self.remove(stream, expected, false).await
    }

    /// Deletes the events of a stream as [`delete`](Self::delete) does, and closes it for good:
    /// appending to it is an error from now on.
    ///
    /// # Errors
    /// As `delete`.
    pub async fn tombstone(&self, stream: impl Into<Arc<str>>, expected: Version) -> Result {
        self.remove(stream, expected, true).await
    }

    async fn remove(
        &self,
        stream: impl Into<Arc<str>>,
        expected: Version,
        tombstone: bool,
    ) -> Result {
        let removal = Removal { stream: StreamName::new(stream)?, expected, tombstone };
        refuse_beside()?;
        let unit = Unit { removals: vec![removal], ..Unit::default() };
        self.backend.commit(unit).await.map(drop)
    }

    /// Keeps a snapshot, unless a newer one of its name is there.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when the store fails.
    pub async fn save_snapshot(&self, snapshot: Snapshot) -> Result {
        refuse_beside()?;
        let unit = Unit { snapshots: vec![snapshot], ..Unit::default() };
        self.backend.commit(unit).await.map(drop)
    }
}
