//! What a fold reads: no more of a stream's events than the methods of its aggregate take.

use std::sync::Arc;

use super::{Folded, kind::Kind};
use crate::{
    delivery::Backend,
    error::{DecodeError, Result},
    event::{
        fact::{Fact, Facts},
        name::StreamName,
        record::Recorded,
    },
    store::{PAGE_BYTES_MAX, StreamRange},
};

/// How an aggregate applies an event of its stream.
#[derive(Debug)]
pub enum Folding<A> {
    /// Its methods take payloads.
    Facts(FoldFact<A>),
    /// One of its methods takes an `Envelope`.
    Envelopes(fn(&mut Option<A>, &Arc<Recorded>) -> Result<Folded, DecodeError>),
}

/// Applies an event of which nothing but its payload is wanted.
type FoldFact<A> = fn(&mut Option<A>, &Fact<'_>) -> Result<Folded, DecodeError>;

/// A page of a stream.
#[derive(Debug)]
pub(super) enum Page<A> {
    Facts(Facts, FoldFact<A>),
    Whole { events: Vec<Arc<Recorded>>, is_last: bool },
}

impl<A> Page<A> {
    /// Reads at most `limit` events of a stretch of a stream.
    pub(super) async fn read(
        kind: Kind<A>,
        backend: &dyn Backend,
        stream: &StreamName,
        range: StreamRange,
        limit: usize,
    ) -> Result<Self> {
        match (kind.folding)() {
            Folding::Facts(fold) => {
                let facts = backend.read_facts(stream, range.from..=range.to, limit).await?;
                Ok(Self::Facts(facts, fold))
            }
            Folding::Envelopes(_) => {
                let events = backend.read_stream(stream, range, limit).await?;
                let bytes: usize = events.iter().map(|event| event.event.payload.len()).sum();
                // It would have had room for more.
                let is_last = events.len() < limit && bytes < PAGE_BYTES_MAX;
                Ok(Self::Whole { events, is_last })
            }
        }
    }

    /// Where the stream goes on behind this page; `None` when it does not.
    pub(super) fn next(&self) -> Option<u64> {
        match self {
            Self::Facts(facts, _) if facts.is_last() => None,
            Self::Facts(facts, _) => facts.last_version(),
            Self::Whole { is_last: true, .. } => None,
            Self::Whole { events, .. } => events.last().map(|last| last.version),
        }
    }
}
