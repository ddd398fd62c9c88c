//! Events that are not due yet.

use redis::Value;

use super::{
    READING, RedisStore,
    failure::Malformed,
    rows::{Cursor, Read, bytes, list, sortable, time_of, unpack_event},
    scripts,
};
use crate::{
    clock::Timestamp,
    delivery::{Scheduled, Timetable},
    error::Result,
    store::{BoxFuture, PAGE_BYTES_MAX},
};

/// The most events of one answer.
const DUE_MAX: usize = 10_000;

/// The bytes of a place in the timetable that are its time; those of its ordinal follow.
const ORDINAL_BYTES: usize = 16;

impl Timetable for RedisStore {
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>> {
        Box::pin(async move {
            // Whatever follows the time, it is text.
            let high = [b"(", &sortable(now)[..], b"\xff"].concat();
            let found = self
                .read(&scripts::DUE, |command| {
                    command.arg(&high[..]).arg(limit.min(DUE_MAX)).arg(PAGE_BYTES_MAX);
                })
                .await?;
            let found = list(found).and_then(|found| found.into_iter().map(scheduled).collect());
            self.understood(found)
        })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(async {
            let mut first = redis::cmd("ZRANGE");
            first.arg(self.key("timetable")).arg(0).arg(0);
            let first = self.link.ask(READING, &first).await?;
            self.understood(list(first).and_then(|first| match first.into_iter().next() {
                None => Ok(None),
                Some(place) => due_of(&bytes(place)?).map(Some),
            }))
        })
    }
}

fn due_of(place: &[u8]) -> Read<Timestamp> {
    Cursor(place).take().map(time_of).ok_or(Malformed("the timetable"))
}

/// Reads the place of an event in the timetable, and the event behind it.
fn scheduled(value: Value) -> Read<Scheduled> {
    let value = bytes(value)?;
    let due = due_of(&value)?;
    let event = value.get(8 + ORDINAL_BYTES..).ok_or(Malformed("a delayed event"))?;
    Ok(Scheduled { due, event: unpack_event(event)? })
}
