//! What a subscription can be told or asked, and what it answers.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    keeper::Held,
    waiters::{Subject, Waiter},
};
use crate::{clock::Timestamp, delivery::DeadLetter, store::Position};

/// What a subscription can be told or asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// Somebody waits for an outcome.
    Watch(Box<(Subject, Waiter)>),
    /// Nothing new begins until resumed; the answer says that this holds.
    Pause(Option<oneshot::Sender<()>>),
    /// New events begin again.
    Resume,
    /// These letters are being reprocessed.
    Replay(Vec<DeadLetter>),
    /// A letter has gone, by the hand of an operator.
    LetterGone(Uuid),
    /// Which letters it knows.
    Letters(oneshot::Sender<Vec<KnownLetter>>),
    /// How it is.
    Status(oneshot::Sender<Status>),
    /// Claim again, so many partitions at most, so that others get their share, or we do.
    Claim(u32),
    /// The claim is not ours any more: stop at once, and record nothing.
    Fenced,
    /// Be still, without a claim, while somebody changes its place.
    Hold(Held),
    /// Stop as at a shutdown.
    Stop,
}

/// A letter that is being reprocessed, or that holds its key.
#[derive(Clone, Debug)]
pub(crate) struct KnownLetter {
    pub(crate) id: Uuid,
    pub(crate) is_replaying: bool,
}

/// How a subscription is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Whether this process has any of it.
    pub(crate) is_here: bool,
    pub(crate) paused: bool,
    pub(crate) open_until: Option<Timestamp>,
    pub(crate) running: usize,
    pub(crate) parked: usize,
    pub(crate) newer: usize,
    pub(crate) full: bool,
    pub(crate) read_to: Position,
    pub(crate) failing: Option<String>,
}

impl Status {
    /// Other processes have all of it.
    pub(super) fn elsewhere(paused: bool) -> Self {
        Self { paused, ..Self::default() }
    }
}
