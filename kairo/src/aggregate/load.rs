//! Loading: the state of an instance now, at a version, or at a time.

use std::{fmt, ops::Deref};

use super::{
    AggregateRef,
    fold::{Fold, Until},
    kind::Kind,
    snapshot,
};
#[cfg(doc)]
use crate::error::Error;
use crate::{
    bus::Bus, clock::Timestamp, error::Result, event::name::StreamName, store::StreamRange,
};

/// The state of an instance, and the version of the last event in it. It dereferences to the state.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded<A> {
    state: A,
    version: u64,
}

impl<A> Loaded<A> {
    pub(super) const fn new(state: A, version: u64) -> Self {
        Self { state, version }
    }

    /// The version of the last event that is in the state.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &A {
        &self.state
    }

    /// The state by value.
    #[must_use]
    pub fn into_state(self) -> A {
        self.state
    }
}

impl<A> Deref for Loaded<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.state
    }
}

impl<A: fmt::Debug> fmt::Debug for Loaded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("version", &self.version)
            .field("state", &self.state)
            .finish()
    }
}

impl<'a, A: Send + Sync + 'static> AggregateRef<'a, A> {
    /// The state now, rebuilt from the newest snapshot, if there is one, and the events behind it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no event of it; [`Error::Unreadable`] when an event cannot
    /// be decoded, or is not applied by a `strict` aggregate; [`Error::WrongState`] when its first
    /// event is none that makes a state; [`Error::Invalid`] for an id that no stream can have;
    /// [`Error::Store`] when the store fails.
    pub async fn load(&self) -> Result<Loaded<A>> {
        self.find().await?.ok_or_else(|| self.kind.missing(self.stream()))
    }

    /// As [`load`](Self::load), or `None` when there is no event of it.
    ///
    /// # Errors
    /// As `load`, without [`Error::NotFound`].
    pub async fn find(&self) -> Result<Option<Loaded<A>>> {
        let (bus, stream) = self.open()?;
        let fold = latest(self.kind, &bus, &stream).await?;
        snapshot::keep(&bus, &stream, &fold).await;
        Ok(fold.loaded())
    }

    /// Whether there is an event of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an id that no stream can have, [`Error::Store`] when the store fails.
    pub async fn exists(&self) -> Result<bool> {
        let (bus, stream) = self.open()?;
        let first = bus.get().engine.backend.read_stream(&stream, StreamRange::ALL, 1).await?;
        Ok(!first.is_empty())
    }

    /// The instance as it was at a version: with the events up to this one.
    #[must_use]
    pub fn at_version(&self, version: u64) -> Past<'a, A> {
        Past { aggregate: self.clone(), until: Until::Version(version) }
    }

    /// The instance as it was at a time: with the events before the first one that is later.
    #[must_use]
    pub fn at_time(&self, time: Timestamp) -> Past<'a, A> {
        Past { aggregate: self.clone(), until: Until::Time(time) }
    }
}

/// An instance as it was, which can be looked at and not changed.
pub struct Past<'a, A> {
    aggregate: AggregateRef<'a, A>,
    until: Until,
}

impl<A: Send + Sync + 'static> Past<'_, A> {
    /// The state of then. Its version is lower than the one that was asked for when there are fewer
    /// events.
    ///
    /// # Errors
    /// As [`AggregateRef::load`]; [`Error::NotFound`] also when there was no event of it yet.
    pub async fn load(&self) -> Result<Loaded<A>> {
        self.find().await?.ok_or_else(|| self.aggregate.kind.missing(self.aggregate.stream()))
    }

    /// As [`load`](Self::load), or `None` when there was no event of it yet.
    ///
    /// # Errors
    /// As `load`, without [`Error::NotFound`].
    pub async fn find(&self) -> Result<Option<Loaded<A>>> {
        let (bus, stream) = self.aggregate.open()?;
        let mut fold = snapshot::begin(self.aggregate.kind, &bus, &stream, self.until).await?;
        fold.follow(&*bus.get().engine.backend, &stream, self.until).await?;
        Ok(fold.loaded())
    }
}

impl<A> fmt::Debug for Past<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past")
            .field("stream", &self.aggregate.stream())
            .field("until", &self.until)
            .finish()
    }
}

/// The fold of everything that is there.
pub(super) async fn latest<A>(
    kind: Kind<A>,
    bus: &Bus<'_>,
    stream: &StreamName,
) -> Result<Fold<A>> {
    let mut fold = snapshot::begin(kind, bus, stream, Until::End).await?;
    fold.follow(&*bus.get().engine.backend, stream, Until::End).await?;
    Ok(fold)
}

impl<A> Fold<A> {
    /// The state, if there is an event of it.
    fn loaded(self) -> Option<Loaded<A>> {
        let state = self.state.filter(|_| 0 < self.version)?;
        Some(Loaded::new(state, self.version))
    }
}
