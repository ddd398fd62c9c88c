//! The fold of a stream: its events, page by page, applied to a state.

use std::{any::type_name, sync::Arc};

use futures_util::future;

use super::kind::Kind;
use crate::{
    clock::Timestamp,
    delivery::Backend,
    error::{DecodeError, Error, Result},
    event::{
        EventSet,
        envelope::{AnyEvent, Envelope},
        name::StreamName,
        record::Recorded,
    },
    store::{Direction, PAGE_BYTES_MAX, StreamRange},
};

/// How many events are read at once; while a page is applied, the next one is read.
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
    const fn range(self, behind: u64) -> StreamRange {
        let to = match self {
            Self::Version(version) => version,
            Self::End | Self::Time(_) => u64::MAX,
        };
        StreamRange { from: behind + 1, to, direction: Direction::Forwards }
    }

    fn reaches(self, event: &Recorded) -> bool {
        match self {
            Self::End | Self::Version(_) => true,
            Self::Time(time) => event.event.time <= time,
        }
    }
}

/// A state on the way from its first event to its last.
pub(super) struct Fold<A> {
    pub(super) kind: Kind<A>,
    pub(super) state: Option<A>,
    /// The version of the last event that was folded; 0 before the first.
    pub(super) version: u64,
    /// The version of the snapshot that this began with; 0 without one.
    pub(super) kept: u64,
}

impl<A> Fold<A> {
    /// The state before any event.
    pub(super) fn blank(kind: Kind<A>) -> Self {
        Self { kind, state: (kind.begin)(), version: 0, kept: 0 }
    }

    /// Follows the stream from where this is.
    pub(super) async fn follow(
        &mut self,
        backend: &dyn Backend,
        stream: &StreamName,
        until: Until,
    ) -> Result {
        let mut page = backend.read_stream(stream, until.range(self.version), PAGE).await?;
        loop {
            if is_last(&page) {
                return self.apply_all(&page, until).map(|_| ());
            }
            let last = page.last().map_or(self.version, |last| last.version);
            let reading = backend.read_stream(stream, until.range(last), PAGE);
            let (next, goes_on) =
                future::join(reading, async { self.apply_all(&page, until) }).await;
            if !goes_on? {
                return Ok(());
            }
            page = next?;
        }
    }

    /// Applies a page, and says whether the stream is to be followed beyond it.
    fn apply_all(&mut self, page: &[Arc<Recorded>], until: Until) -> Result<bool> {
        for event in page {
            if !until.reaches(event) {
                return Ok(false);
            }
            self.apply(event)?;
        }
        Ok(true)
    }

    /// Applies the next event of the stream.
    pub(super) fn apply(&mut self, event: &Arc<Recorded>) -> Result {
        let folded = (self.kind.fold)(&mut self.state, event);
        let folded = folded.map_err(|source| unreadable(event, source))?;
        match folded {
            Folded::Skipped if self.kind.strict => {
                let (name, target) = (event.event.name.to_string(), type_name::<A>());
                return Err(unreadable(event, DecodeError::Unknown { event: name, target }));
            }
            Folded::TooEarly => return Err(too_early::<A>(event)),
            Folded::Applied | Folded::Skipped => {}
        }
        self.version = event.version;
        Ok(())
    }
}

/// Whether nothing follows a page: it would have had room for more.
fn is_last(page: &[Arc<Recorded>]) -> bool {
    let bytes: usize = page.iter().map(|event| event.event.payload.len()).sum();
    page.len() < PAGE && bytes < PAGE_BYTES_MAX
}

fn unreadable(event: &Recorded, source: DecodeError) -> Error {
    Error::Unreadable { stream: event.event.stream.to_string(), version: event.version, source }
}

fn too_early<A>(event: &Recorded) -> Error {
    Error::WrongState(format!(
        "version {} of stream `{}` is `{}`, but no event before it makes a `{}`",
        event.version,
        event.event.stream,
        event.event.name,
        type_name::<A>(),
    ))
}
