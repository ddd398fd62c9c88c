//! Marks of what has been handled.
//!
//! Those of a subscription are a hash, from generation and event to the event's sequence, and a sorted
//! set by time.

use redis::Cmd;

use super::{
    RedisStore,
    rows::{number, sequence_of},
    scripts,
};
use crate::{
    clock::Timestamp,
    delivery::{Mark, MarkKey},
    error::Result,
};

impl RedisStore {
    pub(super) async fn has_mark(&self, key: &MarkKey) -> Result<bool> {
        let found = self
            .read(&scripts::MARKED, |command| {
                command.arg(&key.subscription).arg(event_of(key));
            })
            .await?;
        self.understood(number::<u8>(found).map(|found| found == 1))
    }

    pub(super) async fn delete_marks(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut turn = self.requests.turn().await?;
        turn.begin();
        let pruned = self
            .write("deleting marks of", &scripts::MARK_PRUNE, &turn, |command| {
                command.arg(before.as_microsecond()).arg(limit);
            })
            .await?;
        self.understood(number(pruned))
    }
}

/// The event of a mark, in a generation of its subscription.
pub(super) fn event_of(key: &MarkKey) -> String {
    format!("{}:{}", key.generation, key.event.simple())
}

/// Adds marks to the script's arguments.
pub(super) fn write_marks(command: &mut Cmd, marks: &[Mark]) {
    command.arg(marks.len());
    for Mark { key, epoch, position, time } in marks {
        command
            .arg(&key.subscription)
            .arg(epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        command.arg(event_of(key)).arg(time.as_microsecond()).arg(sequence_of(*position));
    }
}
