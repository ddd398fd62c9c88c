//! What a fold reads of events: names and payloads, the payloads of a page in one buffer.

use std::ops::Range;

use super::record::Recorded;
use crate::clock::Timestamp;

/// How many facts a page has room for at first, and for how many bytes of payload: what most streams
/// have, so that their page does not grow.
const ROOM: (usize, usize) = (16, 4 * 1024);

/// What of an event changes the state that is folded from its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// Where the event stands in its stream, from 1.
    pub version: u64,
    /// Its name.
    pub name: &'a str,
    /// The version of the payload's shape.
    pub schema: u32,
    /// When it was published.
    pub time: Timestamp,
    /// The payload, as bytes that were JSON when they were written.
    pub payload: &'a [u8],
}

impl<'a> Fact<'a> {
    /// That of an event in its place.
    #[must_use]
    pub fn of(recorded: &'a Recorded) -> Self {
        let event = &recorded.event;
        Self {
            version: recorded.version,
            name: event.name.as_str(),
            schema: event.schema,
            time: event.time,
            payload: &event.payload,
        }
    }
}

/// A page of the facts of one stream, in order.
#[derive(Clone, Debug)]
pub struct Facts {
    rows: Vec<Row>,
    names: String,
    payloads: Vec<u8>,
    is_last: bool,
}

/// A fact whose name and payload lie elsewhere.
#[derive(Clone, Debug)]
struct Row {
    version: u64,
    schema: u32,
    time: Timestamp,
    name: Range<usize>,
    /// Where the payload ends; it begins where the one before it does.
    payload_end: usize,
}

impl Default for Facts {
    fn default() -> Self {
        let (rows, bytes) = ROOM;
        Self {
            rows: Vec::with_capacity(rows),
            names: String::new(),
            payloads: Vec::with_capacity(bytes),
            is_last: false,
        }
    }
}

impl Facts {
    /// Adds the next fact of the stream.
    pub fn push(&mut self, fact: Fact<'_>) {
        let name = self.place_of(fact.name);
        self.payloads.extend_from_slice(fact.payload);
        self.rows.push(Row {
            version: fact.version,
            schema: fact.schema,
            time: fact.time,
            name,
            payload_end: self.payloads.len(),
        });
    }

    /// Says that the range that was asked for had nothing behind this page when it was read.
    #[must_use]
    pub fn last(self) -> Self {
        Self { is_last: true, ..self }
    }

    /// Whether the range that was asked for had nothing behind this page when it was read.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// How many facts there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many bytes their payloads have.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.payloads.len()
    }

    /// The version of the last one.
    #[must_use]
    pub fn last_version(&self) -> Option<u64> {
        self.rows.last().map(|last| last.version)
    }

    /// Each of them, in order.
    pub fn each(&self) -> impl Iterator<Item = Fact<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let payload = &self.payloads[start..row.payload_end];
            start = row.payload_end;
            let Row { version, schema, time, .. } = *row;
            Fact { version, name: &self.names[row.name.clone()], schema, time, payload }
        })
    }

    /// Where a name lies; the next fact often has that of the last one.
    fn place_of(&mut self, name: &str) -> Range<usize> {
        if let Some(last) = self.rows.last()
            && self.names[last.name.clone()] == *name
        {
            return last.name.clone();
        }
        let start = self.names.len();
        self.names.push_str(name);
        start..self.names.len()
    }
}

impl<'a> Extend<Fact<'a>> for Facts {
    fn extend<I: IntoIterator<Item = Fact<'a>>>(&mut self, facts: I) {
        facts.into_iter().for_each(|fact| self.push(fact));
    }
}

impl<'a> FromIterator<Fact<'a>> for Facts {
    fn from_iter<I: IntoIterator<Item = Fact<'a>>>(facts: I) -> Self {
        let mut page = Self::default();
        page.extend(facts);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact<'a>(version: u64, name: &'a str, payload: &'a [u8]) -> Fact<'a> {
        Fact { version, name, schema: 2, time: Timestamp::UNIX_EPOCH, payload }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let facts = [
            fact(3, "a.b", b"{}"),
            fact(4, "a.b", b""),
            fact(7, "a", b"\xff"),
            fact(8, "a.b", b"{\"x\":1}"),
        ];
        let page: Facts = facts.into_iter().collect();
        assert!(page.each().eq(facts));
        assert_eq!((page.len(), page.bytes(), page.last_version()), (4, 10, Some(8)));
        assert!(!page.is_last() && page.last().is_last());
    }

    #[test]
    fn a_name_that_is_repeated_is_kept_once() {
        let page: Facts = (1..=9).map(|version| fact(version, "same.name", b"")).collect();
        assert_eq!(page.names, "same.name");
    }
}
