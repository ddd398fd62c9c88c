//! What has been handled with all its effects, so that it is not handled again.

use uuid::Uuid;

use crate::{clock::Timestamp, store::Position};

/// An event that a subscription has handled, with effects that commit together with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which event of which subscription.
    pub key: MarkKey,
    /// That of the subscription's claim; `None` outside of any claim.
    pub epoch: Option<u64>,
    /// Where the event stands in the log.
    pub position: Position,
    /// When it was handled.
    pub time: Timestamp,
}

/// An event in a subscription, the same for every attempt at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// The subscription; when it is renamed, its marks are as well.
    pub subscription: String,
    /// Its generation: a rewind handles everything anew.
    pub generation: u32,
    /// The event, or the edited payload that takes its place.
    pub event: Uuid,
}
