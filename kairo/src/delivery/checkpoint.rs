//! A subscription's durable place: how far it is, and what it has parked.

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    delivery::{
        letter::{DeadLetter, FailedAttempt},
        partition::Partitions,
    },
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
    /// Partitions that are further than `low_water`, because another process had them before.
    pub ahead: Vec<Ahead>,
}

/// Partitions of which nothing at or below a place needs to be handled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The partitions.
    pub partitions: Partitions,
    /// The place, above the low water.
    pub low_water: Position,
}

impl Checkpoint {
    /// A place at which everything before it is finished, and nothing behind it.
    #[must_use]
    pub const fn at(low_water: Position) -> Self {
        Self { low_water, finished: Vec::new(), ahead: Vec::new() }
    }
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
    /// The most partitions to take, those that the owner has already among them.
    pub partitions_max: u32,
}

/// A subscription of which we own some partitions, or all.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The partitions.
    pub partitions: Partitions,
    /// Rises with every claim; every write must show it. No two owners of a subscription have the
    /// same.
    pub epoch: u64,
    /// Rises with every rewind; it is part of derived ids and of inbox keys.
    pub generation: u32,
    /// Whether a last owner went away without giving its claim back.
    pub unclean: bool,
    /// Whether somebody has paused it.
    pub paused: bool,
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
    /// The newest failure since the last progress that had one.
    pub failure: Option<FailedAttempt>,
}

/// A subscription as the store knows it.
#[derive(Clone, Debug)]
pub struct SubscriptionRow {
    /// The durable name.
    pub subscription: String,
    /// Rises with every rewind.
    pub generation: u32,
    /// Whether somebody has paused it.
    pub paused: bool,
    /// How far it is: the least of what its shares say.
    pub low_water: Position,
    /// Who has which partitions, by epoch.
    pub shares: Vec<Share>,
    /// How many events it has parked.
    pub parked: u64,
    /// How many dead letters it has.
    pub letters: u64,
    /// The failure that progress has brought last, whatever has become of its event since.
    pub failure: Option<FailedAttempt>,
}

/// Partitions of a subscription that are claimed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The partitions.
    pub partitions: Partitions,
    /// The [member](crate::lease::Member) that has them, if one has whose lease runs.
    pub owner: Option<Uuid>,
    /// The epoch of the claim.
    pub epoch: u64,
    /// How far they are.
    pub low_water: Position,
}

/// What an operator does to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// Nothing new begins until it is resumed, also after a restart.
    Pause,
    /// It goes on.
    Resume,
    /// It goes on behind this place, which may lie before or behind where it is. What it had
    /// parked is forgotten, its letters stay, and its generation rises.
    Move {
        /// The place.
        to: Position,
    },
    /// The event at this place is not handled: one that is parked is let go, one that was not
    /// reached is passed over.
    Skip {
        /// The place.
        position: Position,
    },
}

/// What became of an event in a subscription, as far as the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not finished yet.
    Ahead,
    /// It is parked.
    Parked(ParkedState),
    /// It is dead, under this letter.
    Dead(Uuid),
    /// It is done, or was not wanted.
    Done,
}
