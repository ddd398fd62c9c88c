//! A subscription's durable place: how far it is, and what it has parked.

use crate::{
    clock::Timestamp,
    delivery::letter::{DeadLetter, FailedAttempt},
    handler::entry::StartAt,
    store::Position,
};

/// The most positions above the low water that a checkpoint lists. A subscription whose oldest
/// running event lets that many others finish first stops reading until it is done.
pub const FINISHED_MAX: usize = 1_024;

/// The most parked events of a subscription, after which it stops reading.
pub const PARKED_MAX: usize = 10_000;

/// How far a subscription is.
///
/// Every event at or below `low_water` is finished, dead or parked; so is every one in `finished`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Nothing at or below this place needs to be read again.
    pub low_water: Position,
    /// Ascending places above the low water that need not be handled again; at most
    /// [`FINISHED_MAX`].
    pub finished: Vec<Position>,
}

/// A request for a subscription.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The durable name.
    pub subscription: String,
    /// Where it begins when the name is new.
    pub start: StartAt,
    /// The name it had before; a subscription of that name is renamed if `subscription` is new.
    pub renamed_from: Option<String>,
}

/// A subscription that is now ours.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Rises with every claim; every write must show it.
    pub epoch: u64,
    /// Rises with every rewind; it is part of derived ids and of inbox keys.
    pub generation: u32,
    /// Whether the last owner went away without giving the claim back.
    pub unclean: bool,
    /// How far it is.
    pub checkpoint: Checkpoint,
    /// Its parked events, in log order.
    pub parked: Vec<Parked>,
    /// Its letters that are being replayed, or that hold their key, oldest first.
    pub letters: Vec<DeadLetter>,
}

/// An event that a subscription has read and not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// Where the event stands in the log.
    pub position: Position,
    /// The event's stream, which later events of the key must not overtake.
    pub key: String,
    /// What it waits for.
    pub state: ParkedState,
    /// How many attempts have failed.
    pub attempts: u32,
    /// The last failures, oldest first.
    pub failures: Vec<FailedAttempt>,
}

/// What a parked event waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedState {
    /// The time of its next attempt.
    Retry {
        /// When that is.
        due: Timestamp,
    },
    /// An earlier event of its key.
    Behind,
    /// A binary that knows its name and schema version.
    Newer,
    /// Its outcome: it is about to run alone, for the `crashes + 1`-th time, after runs that ended
    /// with the process.
    Alone {
        /// How often the process went away while this event was alone in flight.
        crashes: u32,
    },
}

/// What a subscription has achieved since its last progress.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The durable name.
    pub subscription: String,
    /// The epoch of the claim.
    pub epoch: u64,
    /// How far it is now.
    pub checkpoint: Checkpoint,
    /// Rows to insert, or to replace by position.
    pub park: Vec<Parked>,
    /// Positions whose rows go away; one without a row is no error.
    pub unpark: Vec<Position>,
    /// Events that are dead.
    pub bury: Vec<DeadLetter>,
}

/// A subscription as the store knows it.
#[derive(Clone, Debug)]
pub struct SubscriptionRow {
    /// The durable name.
    pub subscription: String,
    /// Rises with every rewind.
    pub generation: u32,
    /// How far it is.
    pub low_water: Position,
    /// How many events it has parked.
    pub parked: u64,
    /// How many dead letters it has.
    pub letters: u64,
}
