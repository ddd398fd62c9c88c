//! Single streams: reading them, what is known about them, snapshots, and deleting events.

use std::sync::Arc;

use bytes::Bytes;
use redis::Value;

use super::{
    READING, RedisStore,
    failure::Malformed,
    log::{EVENTS_MAX, read_events, write_names},
    rows::{Cursor, Read, bytes, number, parts, sortable, text, time_of},
    scripts,
};
use crate::{
    clock::{Timestamp, micros},
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::Recorded,
    },
    store::{Direction, PAGE_BYTES_MAX, Selection, Snapshot, StreamEnd, StreamRange, StreamStats},
};

/// The largest whole number that scripts count with exactly, which is 2 to the power of 53.
const NUMBER_MAX: u64 = 1 << 53;

impl RedisStore {
    /// A stretch of a stream, in as many answers as it takes, up to the bytes of a page.
    pub(super) async fn stretch(
        &self,
        stream: &StreamName,
        mut range: StreamRange,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < limit && bytes < PAGE_BYTES_MAX && !range.is_empty() {
            let count = EVENTS_MAX.min(limit - events.len());
            let found = self
                .read(&scripts::STREAM, |command| {
                    command.arg(stream.as_str());
                    command.arg(range.from.min(NUMBER_MAX)).arg(range.to.min(NUMBER_MAX));
                    command.arg(u8::from(range.direction == Direction::Backwards));
                    command.arg(count).arg(PAGE_BYTES_MAX - bytes);
                })
                .await?;
            let found = self.understood(read_events(found))?;
            let Some(last) = found.last() else { break };
            range = range.behind(last.version);
            bytes += found.iter().map(|event| event.event.payload.len()).sum::<usize>();
            events.extend(found);
        }
        Ok(events)
    }

    /// Counted in stretches, so that others need not wait for all of it.
    pub(super) async fn stats(&self, stream: &StreamName) -> Result<Option<StreamStats>> {
        let (mut events, mut bytes, mut from) = (0, 0, 1);
        let stretch = loop {
            let found = self
                .read(&scripts::STATS, |command| {
                    command.arg(stream.as_str()).arg(from).arg(EVENTS_MAX);
                })
                .await?;
            let stretch = self.understood(Stretch::read(found))?;
            (events, bytes) = (events + stretch.events, bytes + stretch.bytes);
            if stretch.version < stretch.next {
                break stretch;
            }
            from = stretch.next;
        };
        let first = self.stretch(stream, StreamRange::ALL, 1).await?;
        let last = self.stretch(stream, StreamRange::back_from(u64::MAX), 1).await?;
        Ok(match (first.first(), last.first()) {
            (Some(first), Some(last)) => {
                let stats = StreamStats::of_events(events, bytes, end(first), end(last));
                Some(StreamStats { version: stretch.version.max(last.version), ..stats })
            }
            _ if stretch.was_there => {
                Some(StreamStats::of_deleted(stretch.version, stretch.tombstone))
            }
            _ => None,
        })
    }

    pub(super) async fn read_snapshot(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<Option<Snapshot>> {
        let mut get = redis::cmd("HGET");
        get.arg(self.key(&format!("snapshots:{}", stream.as_str()))).arg(name);
        let packed = match self.link.ask(READING, &get).await? {
            Value::Nil => return Ok(None),
            packed => self.understood(bytes(packed))?,
        };
        let snapshot = unpack_snapshot(stream, name, &packed);
        self.understood(snapshot.ok_or(Malformed("a snapshot"))).map(Some)
    }

    /// Deletes in stretches of the log, each in one step.
    pub(super) async fn prune_log(
        &self,
        before: Timestamp,
        selection: &Selection,
        limit: usize,
    ) -> Result<u64> {
        let (names, times): (&[EventName], _) = match selection {
            Selection::All => (&[], None),
            Selection::Names(names) if names.is_empty() => return Ok(0),
            Selection::Names(names) => (names, None),
            Selection::Between { names, from, until } => (names, Some((*from, *until))),
        };
        let (mut pruned, mut after, limit) = (0, "0".to_owned(), limit as u64);
        let mut turn = self.requests.turn().await?;
        while pruned < limit {
            turn.begin();
            let reply = self
                .write("deleting events of", &scripts::PRUNE, &turn, |command| {
                    command.arg(&after).arg(EVENTS_MAX).arg((limit - pruned).min(NUMBER_MAX));
                    command.arg(first_micros(before));
                    match times {
                        None => command.arg("").arg(""),
                        Some((from, until)) => {
                            command.arg(first_micros(from)).arg(first_micros(until))
                        }
                    };
                    write_names(command, names);
                })
                .await?;
            let reply = self.understood(text(reply))?;
            let (count, next) = reply.split_once(' ').unwrap_or((&reply, "-"));
            pruned += count.parse::<u64>().unwrap_or_default();
            if next == "-" {
                break;
            }
            next.clone_into(&mut after);
        }
        Ok(pruned)
    }
}

/// The first whole microsecond that is not before a time.
pub(super) fn first_micros(time: Timestamp) -> i64 {
    let whole = time.as_microsecond();
    if micros(whole) < time { whole.saturating_add(1) } else { whole }
}

/// What was counted in a stretch of a stream.
struct Stretch {
    /// The version of the stream's last event.
    version: u64,
    tombstone: bool,
    /// Whether it lost events, so that it had some.
    was_there: bool,
    events: u64,
    bytes: u64,
    /// Where the next stretch begins.
    next: u64,
}

impl Stretch {
    fn read(found: Value) -> Read<Self> {
        let [version, tombstone, was_there, events, bytes, next] = parts(found)?;
        Ok(Self {
            version: number(version)?,
            tombstone: text(tombstone)? == "1",
            was_there: text(was_there)? == "1",
            events: number(events)?,
            bytes: number(bytes)?,
            next: number(next)?,
        })
    }
}

fn end(event: &Recorded) -> StreamEnd {
    StreamEnd { version: event.version, time: event.event.time, position: event.position }
}

/// A snapshot's value: the version as text, by which scripts tell newer ones, and the rest.
pub(super) fn pack_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut packed = format!("{} ", snapshot.version).into_bytes();
    packed.extend(snapshot.schema.to_be_bytes());
    packed.extend(sortable(snapshot.time));
    packed.extend(&snapshot.payload);
    packed
}

fn unpack_snapshot(stream: &StreamName, name: &str, packed: &[u8]) -> Option<Snapshot> {
    let space = packed.iter().position(|byte| *byte == b' ')?;
    let version = str::from_utf8(&packed[..space]).ok()?.parse().ok()?;
    let mut bytes = Cursor(&packed[space + 1..]);
    Some(Snapshot {
        stream: stream.clone(),
        name: name.to_owned(),
        version,
        schema: u64::from_be_bytes(bytes.take()?),
        time: time_of(bytes.take()?),
        payload: Bytes::copy_from_slice(bytes.0),
    })
}
