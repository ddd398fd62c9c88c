//! Aggregates: state that is rebuilt from the events of its stream.
//!
//! Nothing is stored but events. An instance is the fold of its stream, and a change of it is events
//! that are appended at the version on which it was decided.

mod decision;
mod kind;
mod fold;
mod page;
mod load;
mod change;
mod snapshot;

use std::{fmt, sync::Arc};

use self::kind::Kind;
pub use self::{
    change::Changed,
    decision::{Changes, Decision},
    fold::{Blank, Folded, Members, applied, enveloped},
    load::{Loaded, Past},
    page::Folding,
    snapshot::{Snapshots, Snapshotted, fingerprint},
};
use crate::{
    bus::{Bus, Kairo, Publisher},
    error::Result,
    event::name::StreamName,
};

/// A type whose instances are rebuilt from events; `#[aggregate("its-name")]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "not an aggregate",
    note = "put `#[kairo::aggregate(\"its-name\")]` on the `impl` block of `{Self}` that has its `#[apply]` methods"
)]
pub trait Aggregate: Sized + Send + Sync + 'static {
    /// What the names of its streams begin with: `user` for `user-7`.
    const NAME: &'static str;

    /// The typed event enum of what it applies.
    // Without a bound, because rustc would report a declared type that is no enum twice.
    type Event;

    /// The names of the events that it applies.
    const APPLIED: &'static [&'static str];

    /// Whether an event that it does not apply is an error.
    #[doc(hidden)]
    const STRICT: bool = false;

    /// How its state is kept beside its events.
    #[doc(hidden)]
    #[must_use]
    fn snapshots() -> Option<Snapshots<Self>> {
        None
    }

    /// The state before any event, unless the first event makes it.
    #[doc(hidden)]
    fn begin() -> Option<Self>;

    /// How it applies an event of its stream.
    #[doc(hidden)]
    fn folding() -> Folding<Self>;
}

/// One instance of an aggregate, by its id. Nothing is read or written before a method is awaited.
pub struct AggregateRef<'a, A> {
    source: Source<'a>,
    stream: Arc<str>,
    kind: Kind<A>,
}

/// Where the bus of an instance comes from.
#[derive(Clone)]
enum Source<'a> {
    Kairo(&'a Kairo),
    Publisher(&'a Publisher),
}

impl<'a, A> AggregateRef<'a, A> {
    fn new(source: Source<'a>, kind: Kind<A>, id: impl fmt::Display) -> Self {
        let stream = format!("{}-{id}", kind.name).into();
        Self { source, stream, kind }
    }

    fn open(&self) -> Result<(Bus<'a>, StreamName)> {
        let bus = match &self.source {
            Source::Kairo(kairo) => kairo.bus(),
            Source::Publisher(publisher) => publisher.bus()?,
        };
        Ok((bus, StreamName::new(Arc::clone(&self.stream))?))
    }
}

impl<A> AggregateRef<'_, A> {
    /// The name of its stream, such as `user-7`.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }
}

impl<A> Clone for AggregateRef<'_, A> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), stream: Arc::clone(&self.stream), kind: self.kind }
    }
}

impl<A> fmt::Debug for AggregateRef<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateRef").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Kairo {
    /// The instance of an aggregate that has this id: that of the stream `<name>-<id>`, which is the
    /// one that `#[key]` gives to an event whose name begins with the aggregate's.
    ///
    /// ```
    /// use kairo::prelude::*;
    ///
    /// #[event("counter.raised")]
    /// struct CounterRaised { #[key] counter: u64, by: u64 }
    ///
    /// #[derive(Default)]
    /// struct Counter { total: u64 }
    ///
    /// #[aggregate("counter")]
    /// impl Counter {
    ///     #[apply]
    ///     fn raised(&mut self, event: &CounterRaised) { self.total += event.by; }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> kairo::Result<()> {
    /// let kairo = Kairo::builder().store("memory:").start().await?;
    /// let counter = kairo.aggregate::<Counter>(7);
    /// counter.change(|_| CounterRaised { counter: 7, by: 5 }).await?;
    /// let loaded = counter.load().await?;
    /// assert_eq!((loaded.total, loaded.version()), (5, 1));
    /// # kairo.shutdown().await
    /// # }
    /// ```
    pub fn aggregate<A: Aggregate>(&self, id: impl fmt::Display) -> AggregateRef<'_, A> {
        AggregateRef::new(Source::Kairo(self), Kind::OF, id)
    }
}

impl Publisher {
    /// The instance of an aggregate that has this id, as [`Kairo::aggregate`].
    ///
    /// What a handler changes through its own handle has the handled event as its cause, and is in
    /// the log once even if the handler runs again.
    pub fn aggregate<A: Aggregate>(&self, id: impl fmt::Display) -> AggregateRef<'_, A> {
        AggregateRef::new(Source::Publisher(self), Kind::OF, id)
    }
}
