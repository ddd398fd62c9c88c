//! The fold of a stream: its events, page by page, applied to a state.

use std::{any::type_name, sync::Arc};

use futures_util::future;

use super::{
    kind::Kind,
    page::{Folding, Page},
};
use crate::{
    clock::Timestamp,
    delivery::Backend,
    error::{DecodeError, Error, Result},
    event::{
        EventSet,
        envelope::{AnyEvent, Envelope},
        fact::Fact,
        name::StreamName,
        record::Recorded,
    },
    store::StreamRange,
};

/// How many events are read first. Most streams have no more, and the others are applied from there
/// on while they are read.
const FIRST_PAGE: usize = 256;

/// How many events are read at once behind these, while the page before them is applied.
const PAGE: usize = 1_000;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It was applied.
    Applied,
    /// The aggregate does not apply events of its name.
    Skipped,
    /// It came before any event that makes the first state.
    TooEarly,
}

/// A state before any event.
#[diagnostic::on_unimplemented(
    message = "aggregate `{Self}` has no state to begin with",
    label = "neither `Default` nor an `#[apply(init)]`",
    note = "give it one: derive `Default` for `{Self}`, or let the first event make it: `#[apply(init)] fn created(event: &UserCreated) -> Self`"
)]
pub trait Blank: Sized {
    /// The state.
    fn blank() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Blank for T {
    fn blank() -> Self {
        Self::default()
    }
}

/// The enum that `event = ..` names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a typed event enum, so an aggregate cannot be checked against it",
    label = "expected an `#[events]` enum",
    note = "name an enum with `#[kairo::events]` on it, or remove `event`: then the enum is generated"
)]
pub trait Members {
    /// The names of its members.
    const NAMES: &'static [&'static str];
    /// Their types, as they are written.
    const TYPES: &'static [&'static str];
    /// Whether it can also hold events of other names.
    const OPEN: bool;
}

#[diagnostic::do_not_recommend]
impl<S: EventSet> Members for S {
    const NAMES: &'static [&'static str] = S::NAMES;
    const TYPES: &'static [&'static str] = S::TYPES;
    const OPEN: bool = S::OPEN;
}

/// Applies an event to a state, if there is one.
pub fn applied<A>(state: &mut Option<A>, apply: impl FnOnce(&mut A)) -> Folded {
    match state {
        Some(state) => {
            apply(state);
            Folded::Applied
        }
        None => Folded::TooEarly,
    }
}

/// A decoded payload with everything that is known about its event.
#[must_use]
pub fn enveloped<T>(event: &Arc<Recorded>, payload: T) -> Envelope<T> {
    Envelope { source: AnyEvent::from(Arc::clone(event)), payload: Arc::new(payload) }
}

/// How far a stream is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To its end.
    End,
    /// To this version.
    Version(u64),
    /// To the first event that is later than this.
    Time(Timestamp),
}

impl Until {
    /// The part of a stream behind a version that can be within reach.
    fn range(self, behind: u64) -> StreamRange {
        let to = match self {
            Self::Version(version) => version,
            Self::End | Self::Time(_) => u64::MAX,
        };
        StreamRange::of(behind + 1..=to)
    }

    fn reaches(self, event: &Fact<'_>) -> bool {
        match self {
            Self::End | Self::Version(_) => true,
            Self::Time(time) => event.time <= time,
        }
    }
}

/// A state on the way from its first event to its last.
pub(super) struct Fold<A> {
    pub(super) kind: Kind<A>,
    pub(super) state: Option<A>,
    /// The version of the last event that was folded; 0 before the first.
    pub(super) version: u64,
    /// The latest time of an event that was folded.
    pub(super) time: Timestamp,
    /// The version of the snapshot that this began with; 0 without one.
    pub(super) kept: u64,
}

impl<A> Fold<A> {
    /// The state before any event.
    pub(super) fn blank(kind: Kind<A>) -> Self {
        let state = (kind.begin)();
        Self { kind, state, version: 0, time: Timestamp::MIN, kept: 0 }
    }

    /// Follows the stream from where this is.
    pub(super) async fn follow(
        &mut self,
        backend: &dyn Backend,
        stream: &StreamName,
        until: Until,
    ) -> Result {
        let range = until.range(self.version);
        let mut page = Page::read(self.kind, backend, stream, range, FIRST_PAGE).await?;
        loop {
            let Some(last) = page.next() else {
                return self.apply_all(stream, &page, until).map(|_| ());
            };
            let reading = Page::read(self.kind, backend, stream, until.range(last), PAGE);
            let applying = async { self.apply_all(stream, &page, until) };
            let (next, goes_on) = future::join(reading, applying).await;
            if !goes_on? {
                return Ok(());
            }
            page = next?;
        }
    }

    /// Applies a page, and says whether the stream is to be followed beyond it.
    fn apply_all(&mut self, stream: &StreamName, page: &Page<A>, until: Until) -> Result<bool> {
        match page {
            Page::Facts(facts, fold) => {
                for event in facts.each() {
                    if !until.reaches(&event) {
                        return Ok(false);
                    }
                    let folded = fold(&mut self.state, &event);
                    self.advance(stream, &event, folded)?;
                }
            }
            Page::Whole { events, .. } => {
                for event in events {
                    if !until.reaches(&Fact::of(event)) {
                        return Ok(false);
                    }
                    self.apply(event)?;
                }
            }
        }
        Ok(true)
    }

    /// Applies the next event of the stream.
    pub(super) fn apply(&mut self, event: &Arc<Recorded>) -> Result {
        let fact = Fact::of(event);
        let folded = match (self.kind.folding)() {
            Folding::Facts(fold) => fold(&mut self.state, &fact),
            Folding::Envelopes(fold) => fold(&mut self.state, event),
        };
        self.advance(&event.event.stream, &fact, folded)
    }

    /// Goes on behind an event.
    fn advance(
        &mut self,
        stream: &StreamName,
        event: &Fact<'_>,
        folded: Result<Folded, DecodeError>,
    ) -> Result {
        match folded.map_err(|source| unreadable(stream, event, source))? {
            Folded::Skipped if self.kind.strict => {
                let (name, target) = (event.name.to_owned(), type_name::<A>());
                let source = DecodeError::Unknown { event: name, target };
                return Err(unreadable(stream, event, source));
            }
            Folded::TooEarly => return Err(too_early::<A>(stream, event)),
            Folded::Applied | Folded::Skipped => {}
        }
        self.version = event.version;
        self.time = self.time.max(event.time);
        Ok(())
    }
}

fn unreadable(stream: &StreamName, event: &Fact<'_>, source: DecodeError) -> Error {
    Error::Unreadable { stream: stream.to_string(), version: event.version, source }
}

fn too_early<A>(stream: &StreamName, event: &Fact<'_>) -> Error {
    let Fact { version, name, .. } = event;
    Error::WrongState(format!(
        "version {version} of stream `{stream}` is `{name}`, but no event before it makes a `{}`",
        type_name::<A>(),
    ))
}
