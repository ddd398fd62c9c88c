//! Publishing: from a payload to a place in the log, or in the timetable.

use std::{
    any::Any,
    fmt,
    future::{IntoFuture, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use uuid::Uuid;

use super::{
    Shared,
    ephemeral::{Ran, Round},
    published::{Published, PublishedEvent},
    ready::{Options, Ready, When},
};
use crate::{
    clock::Timestamp,
    delivery::Scheduled,
    engine::{
        dispatch::scope::Scope,
        tx::{Tx, refuse_beside},
    },
    error::{Error, Result},
    event::{name::StreamName, publishable::Publishable, record::Draft},
    observe,
    store::{Append, Unit, Version},
};

/// The bus that something is published on.
pub(crate) enum Bus<'a> {
    Borrowed(&'a Arc<Shared>),
    /// With the handler's run that was given the handle, wherever it is used.
    Owned(Arc<Shared>, Option<Arc<Scope>>),
}

/// Where an event is published: at once, or together with something else.
enum Place<'a> {
    Bus(Bus<'a>),
    /// With everything else of the transaction.
    Within(&'a mut Tx),
    /// In a transaction that its publisher owns.
    Outbox(&'a Arc<Shared>, &'a mut (dyn Any + Send)),
}

impl Bus<'_> {
    pub(crate) const fn get(&self) -> &Arc<Shared> {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Owned(shared, _) => shared,
        }
    }

    /// The run of a handler that causes what is published.
    pub(crate) fn scope(&self) -> Option<Arc<Scope>> {
        match self {
            Self::Owned(_, Some(scope)) => Some(Arc::clone(scope)),
            Self::Owned(_, None) | Self::Borrowed(_) => Scope::current(),
        }
    }
}

/// An event that is published when this is awaited.
///
/// `R` is how, which nobody needs to name: so the future is known by its type, and need not be
/// boxed.
#[must_use = "nothing is published until this is awaited"]
pub struct Publish<'a, E, R> {
    request: Request<'a, E>,
    run: R,
}

/// What is to be published, and how.
#[expect(missing_debug_implementations, reason = "it is never shown")]
pub struct Request<'a, E> {
    place: Result<Place<'a>>,
    event: E,
    /// What it was told; most publishers say nothing.
    options: Option<Box<Options>>,
}

/// Makes the future of a publish. It is for the library alone.
pub trait Run<'a, E> {
    /// The future.
    type Future: Future<Output = Result<Published>> + Send + 'a;

    /// Makes it.
    fn run(self, request: Request<'a, E>) -> Self::Future;
}

impl<'a, E, F, T> Run<'a, E> for F
where
    F: FnOnce(Request<'a, E>) -> T,
    T: Future<Output = Result<Published>> + Send + 'a,
{
    type Future = T;

    fn run(self, request: Request<'a, E>) -> T {
        self(request)
    }
}

impl<'a, E: Publishable + 'a> Request<'a, E> {
    /// Publishes it, with what can be said about it first.
    #[inline]
    pub(super) fn of(bus: Result<Bus<'a>>, event: E) -> Publish<'a, E, impl Run<'a, E>> {
        Self::at(bus.map(Place::Bus), event)
    }

    /// Publishes it inside a transaction of the driver's, on this connection.
    pub(super) fn in_outbox(
        shared: &'a Arc<Shared>,
        connection: &'a mut (dyn Any + Send),
        event: E,
    ) -> Publish<'a, E, impl Run<'a, E>> {
        Self::at(Ok(Place::Outbox(shared, connection)), event)
    }

    #[inline]
    fn at(place: Result<Place<'a>>, event: E) -> Publish<'a, E, impl Run<'a, E>> {
        Publish { request: Self { place, event, options: None }, run: run::<E> }
    }

    /// Publishes a durable event.
    async fn append(self) -> Result<Published> {
        let (place, options) = (self.place?, self.options.map(|it| *it).unwrap_or_default());
        let draft = match &place {
            Place::Bus(_) => self.event.draft()?,
            Place::Within(_) | Place::Outbox(..) => durable_draft(&self.event)?,
        };
        // The payload is encoded, so the value itself is not held across the commit.
        drop(self.event);
        match place {
            Place::Bus(bus) => publish(bus.get(), bus.scope().as_deref(), draft, options).await,
            Place::Within(tx) => publish_within(tx, draft, options),
            Place::Outbox(shared, connection) => {
                let ready =
                    options.ready(&shared.engine.clock, Scope::current().as_deref(), draft)?;
                let id = ready.id();
                shared.engine.backend.write_within(connection, ready.into_unit()).await?;
                Ok(Published::uncommitted(id))
            }
        }
    }
}

impl Tx {
    /// Publishes an event together with everything else of the transaction, with the options of
    /// [`Kairo::publish`](crate::Kairo::publish). Nobody sees it before the commit.
    ///
    /// # Errors
    /// As [`Kairo::publish`](crate::Kairo::publish), except that what the store says is said at the
    /// commit; and [`Error::Misuse`] for an ephemeral event.
    pub fn publish<'a, E: Publishable + 'a>(
        &'a mut self,
        event: E,
    ) -> Publish<'a, E, impl Run<'a, E>> {
        Request::at(Ok(Place::Within(self)), event)
    }
}

/// Publishes an event. One that lives in memory is handled right here, without a future on the heap.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn run<'a, E: Publishable + 'a>(
    request: Request<'a, E>,
) -> impl Future<Output = Result<Published>> + Send + 'a {
    async move {
        if let (Some(event), Ok(Place::Bus(bus))) = (request.event.in_memory(), &request.place) {
            if let Some(options) = &request.options {
                options.check_ephemeral()?;
            }
            let Some(round) = Round::new(bus.get(), event) else {
                return Ok(Published::ephemeral(Ran::default()));
            };
            {
                let mut slot = pin!(None);
                let met = poll_fn(|task| Poll::Ready(round.sweep(0, slot.as_mut(), task))).await;
                if let Some(met) = met {
                    return Box::pin(round.go_on(slot, met)).await;
                }
            }
            return Ok(Published::ephemeral(round.all_done()));
        }
        Box::pin(request.append()).await
    }
}

impl<E: Publishable, R> Publish<'_, E, R> {
    fn options(&mut self) -> &mut Options {
        self.request.options.get_or_insert_default()
    }

    /// Puts the event into this stream, which is also its delivery key.
    pub fn stream(mut self, stream: impl Into<Arc<str>>) -> Self {
        self.options().stream = Some(StreamName::new(stream));
        self
    }

    /// Publishes only if the stream is at this version.
    pub fn expect(mut self, version: Version) -> Self {
        self.options().expected = version;
        self
    }

    /// Says what the event belongs to, instead of its cause or itself.
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.options().correlation = Some(id);
        self
    }

    /// Adds a note to the event.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options().metadata.insert(key.into(), value.into());
        self
    }

    /// Lets the event enter the log after this pause, which survives a restart.
    pub fn delay(mut self, pause: Duration) -> Self {
        self.options().when = When::After(pause);
        self
    }

    /// Lets the event enter the log at this time; one that has passed means now.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.options().when = When::At(time);
        self
    }
}

impl<'a, E, R: Run<'a, E>> IntoFuture for Publish<'a, E, R> {
    type Output = Result<Published>;
    type IntoFuture = R::Future;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        self.run.run(self.request)
    }
}

impl<E, R> fmt::Debug for Publish<'_, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("options", &self.request.options).finish_non_exhaustive()
    }
}

/// Publishes an event for the library itself.
pub(crate) fn publish_on<'a, E: Publishable + 'a>(
    shared: &'a Arc<Shared>,
    event: E,
) -> Publish<'a, E, impl Run<'a, E>> {
    Request::of(Ok(Bus::Borrowed(shared)), event)
}

async fn publish(
    shared: &Arc<Shared>,
    scope: Option<&Scope>,
    draft: Draft,
    options: Options,
) -> Result<Published> {
    match options.ready(&shared.engine.clock, scope, draft)? {
        Ready::Later(scheduled) => delay(shared, scope, scheduled).await,
        Ready::Now(append) => append_all(shared, scope, vec![append]).await,
    }
}

fn publish_within(tx: &mut Tx, draft: Draft, options: Options) -> Result<Published> {
    let (engine, scope) = tx.cause();
    let ready = options.ready(&engine.clock, scope.as_deref(), draft)?;
    let id = ready.id();
    tx.add(ready.into_unit());
    Ok(Published::uncommitted(id))
}

async fn delay(
    shared: &Arc<Shared>,
    scope: Option<&Scope>,
    scheduled: Scheduled,
) -> Result<Published> {
    refuse_beside()?;
    let (name, id) = (scheduled.event.name.clone(), scheduled.event.id);
    let unit = Ready::Later(scheduled).into_unit();
    let committed = shared.engine.backend.commit(unit).await;
    if let (Some(scope), Err(_)) = (scope, &committed) {
        scope.give_back(&name, id);
    }
    committed?;
    shared.engine.planned.notify_one();
    Ok(Published::delayed(id))
}

/// Appends in one commit, and remembers which subscriptions there were.
pub(crate) async fn append_all(
    shared: &Arc<Shared>,
    scope: Option<&Scope>,
    appends: Vec<Append>,
) -> Result<Published> {
    refuse_beside()?;
    let events = appends.iter().flat_map(|append| &append.events);
    let names: Vec<_> =
        events.map(|event| (event.name.clone(), event.stream.clone(), event.id)).collect();
    let subscriptions = shared.running_all();
    let committed = shared.engine.backend.commit(Unit::of_appends(appends)).await;
    if let (Some(scope), Err(_)) = (scope, &committed) {
        for (name, _, id) in &names {
            scope.give_back(name, *id);
        }
    }
    let placed = committed?.placed;
    metrics::counter!(observe::PUBLISHED).increment(names.len() as u64);
    let events = names.into_iter().zip(placed);
    let events =
        events.map(|((name, stream, _), placed)| PublishedEvent { name, stream, placed }).collect();
    Ok(Published::in_log(Arc::clone(shared), subscriptions, events))
}

/// An event that can enter the log, encoded.
pub(crate) fn durable_draft<E: Publishable>(event: &E) -> Result<Draft> {
    if event.in_memory().is_some() {
        return Err(Error::Misuse("an ephemeral event cannot be part of a commit"));
    }
    event.draft()
}
