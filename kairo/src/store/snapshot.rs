//! A value that was folded from a stream, kept so that folding need not begin at the first event.

use bytes::Bytes;

use crate::{clock::Timestamp, event::name::StreamName};

/// What a stream's events came to at a version.
///
/// A snapshot is worth nothing by itself: whoever cannot read it folds the stream again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream.
    pub stream: StreamName,
    /// Who folded it, such as the name of an aggregate: a stream has one snapshot for each name.
    pub name: String,
    /// The version of the last event in it.
    pub version: u64,
    /// The shape of the payload, by which its reader knows whether it can read it.
    pub schema: u64,
    /// The latest time of an event in it.
    pub time: Timestamp,
    /// The value, in the form that its reader has chosen.
    pub payload: Bytes,
}
