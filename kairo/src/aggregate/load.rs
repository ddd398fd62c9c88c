//! Loading: the state of an instance now, at a version, or at a time.

use std::{fmt, ops::Deref};

use super::{
    Aggregate, AggregateRef,
    fold::{Fold, Until},
    snapshot,
};
use crate::{
    bus::Bus,
    clock::Timestamp,
    error::{Error, Result},
    event::name::StreamName,
    store::StreamRange,
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

impl<'a, A: Aggregate> AggregateRef<'a, A> {
    /// The state now, rebuilt from the newest snapshot, if there is one, and the events behind it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no event of it; [`Error::Unreadable`] when an event cannot
    /// be decoded, or is not applied by a `strict` aggregate; [`Error::WrongState`] when its first
    /// event is none that makes a state; [`Error::Invalid`] for an id that no stream can have;
    /// [`Error::Store`] when the store fails.
    pub async fn load(&self) -> Result<Loaded<A>> {
        self.find().await?.ok_or_else(|| missing::<A>(self.stream()))
    }

    /// As [`load`](Self::load), or `None` when there is no event of it.
    ///
    /// # Errors
    /// As `load`, without [`Error::NotFound`].
    pub async fn find(&self) -> Result<Option<Loaded<A>>> {
        let (bus, stream) = self.open()?;
        let fold = latest::<A>(&bus, &stream).await?;
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
    pub const fn at_version(self, version: u64) -> Past<'a, A> {
        Past { aggregate: self, until: Until::Version(version) }
    }

    /// The instance as it was at a time: with the events before the first one that is later.
    #[must_use]
    pub const fn at_time(self, time: Timestamp) -> Past<'a, A> {
        Past { aggregate: self, until: Until::Time(time) }
    }
}

/// An instance as it was, which can be looked at and not changed.
pub struct Past<'a, A> {
    aggregate: AggregateRef<'a, A>,
    until: Until,
}

impl<A: Aggregate> Past<'_, A> {
    /// The state of then. Its version is lower than the one that was asked for when there are fewer
    /// events.
    ///
    /// # Errors
    /// As [`AggregateRef::load`]; [`Error::NotFound`] also when there was no event of it yet.
    pub async fn load(&self) -> Result<Loaded<A>> {
        self.find().await?.ok_or_else(|| missing::<A>(self.aggregate.stream()))
    }

    /// As [`load`](Self::load), or `None` when there was no event of it yet.
    ///
    /// # Errors
    /// As `load`, without [`Error::NotFound`].
    pub async fn find(&self) -> Result<Option<Loaded<A>>> {
        let (bus, stream) = self.aggregate.open()?;
        let mut fold = snapshot::begin(&bus, &stream, self.until).await?;
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
pub(super) async fn latest<A: Aggregate>(bus: &Bus<'_>, stream: &StreamName) -> Result<Fold<A>> {
    let mut fold = snapshot::begin(bus, stream, Until::End).await?;
    fold.follow(&*bus.get().engine.backend, stream, Until::End).await?;
    Ok(fold)
}

/// What is said of an instance without events.
pub(super) fn missing<A: Aggregate>(stream: &str) -> Error {
    let id = stream.get(A::NAME.len() + 1..).unwrap_or(stream);
    Error::NotFound { what: A::NAME, value: id.to_owned() }
}

impl<A> Fold<A> {
    /// The state, if there is an event of it.
    fn loaded(self) -> Option<Loaded<A>> {
        let state = self.state.filter(|_| 0 < self.version)?;
        Some(Loaded::new(state, self.version))
    }
}
