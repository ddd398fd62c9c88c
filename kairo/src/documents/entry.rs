//! An entity of a linked crate, as `#[repository]` registers it.

use super::Collection;
use crate::handler::Location;

/// An entity of a linked crate.
#[derive(Debug)]
pub struct EntityEntry {
    /// Where its documents are.
    pub collection: &'static Collection,
    /// The names of its events; `None` for one that tells of nothing.
    pub events: Option<&'static EventNames>,
    /// Its Rust type.
    pub type_name: &'static str,
    /// Where it is declared.
    pub location: Location,
}

inventory::collect!(EntityEntry);

/// The names of the events that tell what happens to the entities of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct EventNames {
    /// What the names of their streams begin with.
    pub stream: &'static str,
    /// One was made.
    pub created: &'static str,
    /// One was changed.
    pub updated: &'static str,
    /// One was deleted.
    pub deleted: &'static str,
}

impl EventNames {
    /// The names themselves.
    #[must_use]
    pub const fn all(&self) -> [&'static str; 3] {
        [self.created, self.updated, self.deleted]
    }
}
