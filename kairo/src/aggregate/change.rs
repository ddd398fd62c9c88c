//! Changing: load, decide, append at the version on which it was decided; once more on a conflict.

use std::{fmt, ops::Deref, pin::Pin, sync::Arc};

use super::{
    AggregateRef, Changes, Decision, Loaded,
    fold::{Fold, Until},
    load::latest,
    snapshot,
};
use crate::{
    bus::{Bus, Handled, Published, append_all},
    engine::dispatch::scope::event_of,
    error::{Error, Result},
    event::{
        name::StreamName,
        record::{Draft, Recorded},
    },
    retry::{CONFLICT_RETRIES_MAX, conflict_pause},
    store::{Append, Version},
};

/// A change that is made when this is awaited. It is boxed because of rustc's messages: where a
/// future has no name, a closure that returns no event is complained of three times.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The state of an instance behind a change, and the events that the change appended. It
/// dereferences to the state.
pub struct Changed<A> {
    loaded: Loaded<A>,
    published: Option<Published>,
}

impl<A> Changed<A> {
    /// The version of the last event that is in the state.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.loaded.version()
    }

    /// The state, with what was appended.
    #[must_use]
    pub const fn state(&self) -> &A {
        self.loaded.state()
    }

    /// The state by value.
    #[must_use]
    pub fn into_state(self) -> A {
        self.loaded.into_state()
    }

    /// The events that were appended; `None` when the change had none.
    #[must_use]
    pub const fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// Waits until every subscription has had a first outcome for each of the events, as
    /// [`Published::handled`]; at once when there are none.
    ///
    /// # Errors
    /// As `Published::handled`.
    pub async fn handled(&self) -> Result<Handled> {
        match &self.published {
            Some(published) => published.handled().await,
            None => Ok(Handled::default()),
        }
    }
}

impl<A> Deref for Changed<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.loaded
    }
}

impl<A: fmt::Debug> fmt::Debug for Changed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed")
            .field("loaded", &self.loaded)
            .field("published", &self.published)
            .finish()
    }
}

impl<A: Send + Sync + 'static> AggregateRef<'_, A> {
    /// Changes the instance: loads it, lets `decide` say which events that takes, and appends them
    /// if nobody else has appended meanwhile.
    ///
    /// `decide` returns an event, an `Option` or `Vec` of events, nothing, or a `Result` of one of
    /// these; then the outcome is a `Result` as well, whose error is the closure's own: `.await??`.
    /// An instance without events is its `Default`; one that is made by its first event must be
    /// [created](Self::create) first.
    ///
    /// **`decide` may run again**: on a conflict, with what others have appended, up to 10 times
    /// after pauses of 5 to 100 ms. So it decides, and does nothing else. A handler that runs again
    /// runs it again, too: its earlier attempt may be in the state already, and an event that it
    /// returns once more is in the log once.
    ///
    /// ```
    /// # use kairo::prelude::*;
    /// # #[event("account.opened")] struct Opened { #[key] account: u64, cents: u64 }
    /// # #[event("account.withdrawn")] struct Withdrawn { #[key] account: u64, cents: u64 }
    /// # struct Account { id: u64, cents: u64 }
    /// #[aggregate("account")]
    /// impl Account {
    ///     #[apply(init)]
    ///     fn opened(event: &Opened) -> Self { Self { id: event.account, cents: event.cents } }
    ///     #[apply]
    ///     fn withdrawn(&mut self, event: &Withdrawn) { self.cents -= event.cents; }
    ///
    ///     fn withdraw(&self, cents: u64) -> Result<Withdrawn, &'static str> {
    ///         if self.cents < cents { return Err("there is not that much") }
    ///         Ok(Withdrawn { account: self.id, cents })
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> kairo::Result<()> {
    /// # let kairo = Kairo::builder().store("memory:").start().await?;
    /// let account = kairo.aggregate::<Account>(7);
    /// account.create(Opened { account: 7, cents: 100 }).await?;
    /// let left = account.change(|it| it.withdraw(70)).await?;
    /// assert_eq!(left.map(|it| it.cents), Ok(30));
    /// let refused = account.change(|it| it.withdraw(70)).await?;
    /// assert_eq!(refused.err(), Some("there is not that much"));
    /// # kairo.shutdown().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](Self::load), with [`Error::NotFound`] only where the first event makes the
    /// state; those of [`Kairo::publish`](crate::Kairo::publish), with [`Error::Conflict`] when all
    /// retries met one; and [`Error::Invalid`] for an event whose key names another stream. Dropping
    /// the future appends all of the events or none.
    pub fn change<'a, D: Decision + 'a>(
        &'a self,
        decide: impl FnMut(&A) -> D + Send + 'a,
    ) -> Boxed<'a, D::Outcome<Changed<A>>> {
        Box::pin(self.decided(decide))
    }

    async fn decided<D: Decision>(
        &self,
        mut decide: impl FnMut(&A) -> D,
    ) -> Result<D::Outcome<Changed<A>>> {
        let (bus, stream) = self.open()?;
        let mut fold = latest(self.kind, &bus, &stream).await?;
        let mut retries = 0;
        loop {
            let state = fold.state.as_ref().ok_or_else(|| self.kind.missing(self.stream()))?;
            let drafts = match decide(state).split() {
                Ok(changes) => changes.drafts()?,
                Err(refused) => return Ok(refused),
            };
            let expected =
                if fold.version == 0 { Version::NoStream } else { Version::At(fold.version) };
            match append(&bus, &stream, expected, drafts, &mut fold).await {
                Err(Error::Conflict { .. }) if retries < CONFLICT_RETRIES_MAX => retries += 1,
                outcome => {
                    let published = outcome?;
                    return changed(&bus, &stream, fold, published).await.map(D::accepted);
                }
            }
            let clock = &bus.get().engine.clock;
            clock.sleep(conflict_pause(clock.draw())).await;
            fold.follow(&*bus.get().engine.backend, &stream, Until::End).await?;
        }
    }

    /// Appends the first events of the instance.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has events already; [`Error::Misuse`] without any event; else as
    /// [`change`](Self::change).
    pub fn create(&self, events: impl Changes) -> Boxed<'_, Changed<A>> {
        Box::pin(self.created(events.drafts()))
    }

    async fn created(&self, drafts: Result<Vec<Draft>>) -> Result<Changed<A>> {
        let drafts = drafts?;
        if drafts.is_empty() {
            return Err(Error::Misuse("an instance is created by at least one event"));
        }
        let (bus, stream) = self.open()?;
        let mut fold = Fold::blank(self.kind);
        let published = append(&bus, &stream, Version::NoStream, drafts, &mut fold).await?;
        changed(&bus, &stream, fold, published).await
    }
}

/// Appends events and applies them.
async fn append<A>(
    bus: &Bus<'_>,
    stream: &StreamName,
    expected: Version,
    drafts: Vec<Draft>,
    fold: &mut Fold<A>,
) -> Result<Option<Published>> {
    if drafts.is_empty() {
        return Ok(None);
    }
    let (shared, scope) = (bus.get(), bus.scope());
    let mut events = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        check_stream(&draft, stream)?;
        draft.stream = Some(stream.clone());
        events.push(event_of(&shared.engine.clock, scope.as_deref(), draft)?);
    }
    let append = Append { stream: stream.clone(), expected, events: events.clone() };
    let published = append_all(shared, scope.as_deref(), vec![append]).await?;
    if published.placed().any(|placed| placed.duplicate) {
        // An earlier attempt of the handler has appended them, and others may have done since.
        fold.follow(&*shared.engine.backend, stream, Until::End).await?;
        return Ok(Some(published));
    }
    for (event, placed) in events.into_iter().zip(published.placed()) {
        fold.apply(&Arc::new(Recorded::new(placed.position, placed.version, event)))?;
    }
    Ok(Some(published))
}

/// An event whose payload names another stream would be missing there.
fn check_stream(draft: &Draft, stream: &StreamName) -> Result {
    match &draft.stream {
        Some(own) if own != stream => Err(Error::invalid(
            "stream",
            own.as_str(),
            format!(
                "it is that of an event `{}` in a change of `{stream}`; give the event the key of \
                 that stream, or none",
                draft.name
            ),
        )),
        _ => Ok(()),
    }
}

async fn changed<A>(
    bus: &Bus<'_>,
    stream: &StreamName,
    fold: Fold<A>,
    published: Option<Published>,
) -> Result<Changed<A>> {
    snapshot::keep(bus, stream, &fold).await;
    let state = fold.state.ok_or_else(|| fold.kind.missing(stream.as_str()))?;
    Ok(Changed { loaded: Loaded::new(state, fold.version), published })
}
