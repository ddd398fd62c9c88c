//! The event store: appending at a version, reading in every direction, deleting, snapshots.
//!
//! It is there with a bus and without one. All reads are streams that hold one page at a time.

mod append;
mod read;
mod replay;
mod retain;

use std::{fmt, sync::Arc};

pub use self::read::{ReadLog, ReadStream};
pub(super) use self::retain::keep_pruning;
use crate::{
    backend,
    clock::Clock,
    delivery::Backend,
    error::{Error, Result},
    event::name::StreamName,
    store::{Position, Snapshot, StreamStats},
};

/// The log and its streams.
///
/// ```
/// use futures_util::TryStreamExt;
/// use kairo::{EventStore, Version, prelude::*};
///
/// #[event("user.created")]
/// struct UserCreated { #[key] user_id: u64, name: String }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> kairo::Result {
/// let store = EventStore::open("memory:").await?;
/// let ada = UserCreated { user_id: 7, name: "Ada".into() };
/// store.append("user-7", Version::NoStream, [ada]).await?;
///
/// let events: Vec<_> = store.stream("user-7").try_collect().await?;
/// assert_eq!(events[0].decode::<UserCreated>()?.name, "Ada");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EventStore {
    backend: Arc<dyn Backend>,
    clock: Clock,
}

impl EventStore {
    /// Opens a store by itself, without a bus, so that nothing is handled meanwhile.
    ///
    /// # Errors
    /// As [`backend::open`].
    pub async fn open(url: &str) -> Result<Self> {
        let clock = Clock::system();
        Ok(Self { backend: backend::open(url, &clock).await?, clock })
    }

    /// The event store that a back end keeps.
    #[must_use]
    pub const fn new(backend: Arc<dyn Backend>, clock: Clock) -> Self {
        Self { backend, clock }
    }

    /// What keeps the events.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The position of the log's last event.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails.
    pub async fn head(&self) -> Result<Position> {
        self.backend.head().await
    }

    /// How many events a stream has, how large they are, and where it begins and ends.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a stream that never had an event.
    pub async fn stats(&self, stream: &str) -> Result<StreamStats> {
        let name = StreamName::new(stream)?;
        self.backend.stream_stats(&name).await?.ok_or_else(|| no_stream(stream))
    }

    /// The newest snapshot of a stream under a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no stream can have.
    pub async fn snapshot(&self, stream: &str, name: &str) -> Result<Option<Snapshot>> {
        let stream = StreamName::new(stream)?;
        self.backend.snapshot(&stream, name).await
    }

    /// Lets go of the store. A store that came with a bus is closed by the bus.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be closed cleanly.
    pub async fn close(&self) -> Result {
        self.backend.close().await
    }
}

fn no_stream(stream: &str) -> Error {
    Error::NotFound { what: "stream", value: stream.to_owned() }
}

impl fmt::Debug for EventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStore").field("store", &self.backend.url()).finish_non_exhaustive()
    }
}
