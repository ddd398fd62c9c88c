//! What the fold must know of an aggregate, as a value.

use super::{Aggregate, Folding, Snapshots};
use crate::error::Error;

/// An aggregate, for code without a bound on its type.
///
/// So a type that is none is complained of once, where it is first named, and not at each method
/// that is called on the reference as well.
pub(super) struct Kind<A> {
    pub(super) name: &'static str,
    pub(super) strict: bool,
    pub(super) snapshots: fn() -> Option<Snapshots<A>>,
    pub(super) begin: fn() -> Option<A>,
    pub(super) folding: fn() -> Folding<A>,
}

impl<A: Aggregate> Kind<A> {
    /// That of the type.
    pub(super) const OF: Self = Self {
        name: A::NAME,
        strict: A::STRICT,
        snapshots: A::snapshots,
        begin: A::begin,
        folding: A::folding,
    };
}

impl<A> Kind<A> {
    /// What is said of an instance without events.
    pub(super) fn missing(self, stream: &str) -> Error {
        let id = stream.get(self.name.len() + 1..).unwrap_or(stream);
        Error::NotFound { what: self.name, value: id.to_owned() }
    }
}

impl<A> Clone for Kind<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Kind<A> {}
