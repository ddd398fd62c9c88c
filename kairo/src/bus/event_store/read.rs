//! Reading: one stream, or the log.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::ready,
    stream::{self, BoxStream},
};

use super::EventStore;
use crate::{
    clock::Timestamp,
    error::Result,
    event::{
        envelope::AnyEvent,
        name::{EventName, StreamName},
        pattern::{Interest, check_pattern},
        record::Recorded,
    },
    store::{Direction, Position, Selection, StreamRange},
};

/// How many events are read at once.
const PAGE: usize = 256;

/// How often the end of the log is looked at without a signal.
const POLL: Duration = Duration::from_secs(1);

impl EventStore {
    /// The events of a stream from its first, in order. A stream that does not exist has none.
    pub fn stream(&self, name: impl Into<Arc<str>>) -> ReadStream {
        let want = Stretch { name: StreamName::new(name), range: StreamRange::ALL, until: None };
        ReadStream(Reading::Planned(self.clone(), want))
    }

    /// Every event behind a position, in log order, up to the end of the log.
    pub fn log(&self, after: Position) -> ReadLog {
        let want = Search { after, wanted: Ok(Wanted::All), between: None, live: false };
        ReadLog(Reading::Planned(self.clone(), want))
    }

    /// Every event of a name, or whose name matches a pattern such as `order.*` or `order.**`, in
    /// log order.
    pub fn by_type(&self, name_or_pattern: &str) -> ReadLog {
        self.log(Position::START).of_type(name_or_pattern)
    }

    /// Every event that was published at `from` or later, and before `until`, in log order.
    pub fn between(&self, from: Timestamp, until: Timestamp) -> ReadLog {
        self.log(Position::START).between(from, until)
    }

    /// Every event behind a position, and then each new one as it comes in: it never ends by
    /// itself.
    ///
    /// It sees events at least as soon as handlers do. A reader that must not miss one over a
    /// restart is better a handler, which keeps its place.
    pub fn tail(&self, after: Position) -> ReadLog {
        let ReadLog(reading) = self.log(after);
        ReadLog(reading.plan(|search| search.live = true))
    }
}

/// A read that begins when it is first polled, so that it can be described before.
enum Reading<T> {
    Planned(EventStore, T),
    Begun(BoxStream<'static, Result<AnyEvent>>),
}

/// What begins a read.
trait Plan {
    fn begin(self, store: EventStore) -> BoxStream<'static, Result<AnyEvent>>;
}

impl<T: Plan> Reading<T> {
    /// Changes what is read; a read that has begun stays as it is.
    fn plan(mut self, change: impl FnOnce(&mut T)) -> Self {
        if let Self::Planned(_, plan) = &mut self {
            change(plan);
        }
        self
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AnyEvent>>> {
        let begun = match std::mem::replace(self, Self::Begun(stream::empty().boxed())) {
            Self::Planned(store, plan) => plan.begin(store),
            Self::Begun(events) => events,
        };
        let mut events = begun;
        let next = events.poll_next_unpin(context);
        *self = Self::Begun(events);
        next
    }
}

impl<T: fmt::Debug> fmt::Debug for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(_, plan) => plan.fmt(f),
            Self::Begun(_) => f.write_str("begun"),
        }
    }
}

/// The events of a stream, as a [`Stream`](futures_util::Stream). For a name that no stream can
/// have its first item is an error.
#[derive(Debug)]
#[must_use = "nothing is read until this is polled"]
pub struct ReadStream(Reading<Stretch>);

#[derive(Debug)]
struct Stretch {
    name: Result<StreamName>,
    range: StreamRange,
    until: Option<Timestamp>,
}

impl ReadStream {
    /// From the last event to the first.
    pub fn backwards(self) -> Self {
        Self(self.0.plan(|want| want.range.direction = Direction::Backwards))
    }

    /// Leaves out the versions before this one.
    pub fn from_version(self, version: u64) -> Self {
        Self(self.0.plan(|want| want.range.from = version))
    }

    /// Leaves out the versions behind this one.
    pub fn to_version(self, version: u64) -> Self {
        Self(self.0.plan(|want| want.range.to = version))
    }

    /// The stream as it was at a time: forwards, it ends before the first event that was published
    /// later; backwards, it begins behind the last ones that were.
    pub fn to_time(self, time: Timestamp) -> Self {
        Self(self.0.plan(|want| want.until = Some(time)))
    }
}

impl Plan for Stretch {
    fn begin(self, store: EventStore) -> BoxStream<'static, Result<AnyEvent>> {
        let Self { name, range, until } = self;
        let name = match name {
            Ok(name) => name,
            Err(error) => return stream::once(ready(Err(error))).boxed(),
        };
        let events = stream_events(store, name, range);
        let is_later = move |event: &AnyEvent| until.is_some_and(|until| until < event.time());
        match range.direction {
            Direction::Forwards => {
                events.try_take_while(move |event| ready(Ok(!is_later(event)))).boxed()
            }
            Direction::Backwards => {
                events.try_skip_while(move |event| ready(Ok(is_later(event)))).boxed()
            }
        }
    }
}

/// The events of a stream, page by page.
pub(super) fn stream_events(
    store: EventStore,
    name: StreamName,
    range: StreamRange,
) -> BoxStream<'static, Result<AnyEvent>> {
    stream::try_unfold((store, name, range), next_of_stream).try_flatten().boxed()
}

/// What of a stream is left to read.
type Rest = (EventStore, StreamName, StreamRange);

async fn next_of_stream((store, name, range): Rest) -> Result<Option<(Events, Rest)>> {
    if range.is_empty() {
        return Ok(None);
    }
    let page = store.backend.read_stream(&name, range, PAGE).await?;
    let Some(last) = page.last() else { return Ok(None) };
    let rest = range.behind(last.version);
    Ok(Some((each(page), (store, name, rest))))
}

impl futures_util::Stream for ReadStream {
    type Item = Result<AnyEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

/// Events of the log, as a [`Stream`](futures_util::Stream). For a name or pattern that is not one
/// its first item is an error.
#[derive(Debug)]
#[must_use = "nothing is read until this is polled"]
pub struct ReadLog(Reading<Search>);

#[derive(Debug)]
struct Search {
    after: Position,
    wanted: Result<Wanted>,
    between: Option<(Timestamp, Timestamp)>,
    live: bool,
}

/// Which names are wanted: known to the store, or matched here.
#[derive(Debug)]
enum Wanted {
    All,
    Name(EventName),
    Matching(Interest),
}

impl ReadLog {
    /// Only events of this name, or whose name matches this pattern.
    pub fn of_type(self, name_or_pattern: &str) -> Self {
        Self(self.0.plan(|want| want.wanted = wanted(name_or_pattern)))
    }

    /// Only events that were published at `from` or later, and before `until`.
    pub fn between(self, from: Timestamp, until: Timestamp) -> Self {
        Self(self.0.plan(|want| want.between = Some((from, until))))
    }
}

fn wanted(name_or_pattern: &str) -> Result<Wanted> {
    if !name_or_pattern.contains('*') {
        return EventName::new(name_or_pattern).map(Wanted::Name);
    }
    check_pattern(name_or_pattern)?;
    Ok(Wanted::Matching(Interest::Pattern(name_or_pattern.to_owned().into())))
}

impl Plan for Search {
    fn begin(self, store: EventStore) -> BoxStream<'static, Result<AnyEvent>> {
        let Self { after, wanted, between, live } = self;
        let (names, interest) = match wanted {
            Ok(Wanted::All) => (Vec::new(), None),
            Ok(Wanted::Name(name)) => (vec![name], None),
            Ok(Wanted::Matching(interest)) => (Vec::new(), Some(interest)),
            Err(error) => return stream::once(ready(Err(error))).boxed(),
        };
        let selection = match between {
            Some((from, until)) => Selection::Between { names, from, until },
            None if names.is_empty() => Selection::All,
            None => Selection::Names(names),
        };
        let walk = Walk { store, selection, after: Some(after), live };
        let events = stream::try_unfold(walk, Walk::next).try_flatten();
        match interest {
            None => events.boxed(),
            Some(interest) => {
                events.try_filter(move |event| ready(interest.wants(event.name()))).boxed()
            }
        }
    }
}

/// A walk through the log.
struct Walk {
    store: EventStore,
    selection: Selection,
    /// Where it goes on; `None` when it has come to the end.
    after: Option<Position>,
    live: bool,
}

impl Walk {
    async fn next(mut self) -> Result<Option<(Events, Self)>> {
        let Some(after) = self.after else { return Ok(None) };
        let backend = &self.store.backend;
        // Whatever comes in while the page is read rings, and is read at once.
        let mut signal = backend.watch();
        let page = backend.read_log(after, &self.selection, PAGE).await?;
        if page.complete && self.live && page.events.is_empty() {
            tokio::select! {
                // A closed channel leaves the clock.
                Ok(()) = signal.changed() => {}
                () = self.store.clock.sleep(POLL) => {}
            }
        }
        self.after = (self.live || !page.complete).then_some(page.end);
        Ok(Some((each(page.events), self)))
    }
}

impl futures_util::Stream for ReadLog {
    type Item = Result<AnyEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

/// The events of a page.
type Events = stream::Iter<std::vec::IntoIter<Result<AnyEvent>>>;

fn each(page: Vec<impl Into<Arc<Recorded>>>) -> Events {
    let events: Vec<_> = page.into_iter().map(|event| Ok(AnyEvent::from(event.into()))).collect();
    stream::iter(events)
}
