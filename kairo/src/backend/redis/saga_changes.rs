//! Sagas as the script that commits takes them, and why it refuses them.

use redis::Cmd;
use uuid::Uuid;

use super::rows::sortable;
use crate::{
    clock::Timestamp,
    error::Error,
    journal::{Phase, SagaChange, SagaRow, SagaWrite},
};

/// A saga's id as keys and lists have it.
pub(super) fn name_of(id: Uuid) -> String {
    id.simple().to_string()
}

/// The place of a saga in lists, by its start and then by id.
pub(super) fn place(started: Timestamp, id: Uuid) -> Vec<u8> {
    [&sortable(started)[..], name_of(id).as_bytes()].concat()
}

/// Adds changes of sagas to the script's arguments, in the order in which it reads them.
pub(super) fn write_sagas(command: &mut Cmd, changes: &[SagaChange]) {
    command.arg(changes.len());
    for change in changes {
        let id = name_of(change.id());
        match change {
            SagaChange::Start(row) => {
                command.arg("start").arg(id).arg(place(row.started, row.id));
                write_row(command, row);
            }
            SagaChange::Write(write) => {
                command.arg("write").arg(id).arg(write.epoch).arg(write.revision);
                command.arg(u8::from(write.keeps_owner()));
                write_state(command, write);
            }
            SagaChange::Cancel { now, .. } => {
                command.arg("cancel").arg(id).arg(now.as_microsecond());
            }
        }
    }
}

/// All fields of a saga's hash; those that have no value are left out.
fn write_row(command: &mut Cmd, row: &SagaRow) {
    let [owner, causation] = [row.owner, row.causation].map(|id| id.map(name_of));
    let optional =
        [("key", row.key.as_ref()), ("owner", owner.as_ref()), ("causation", causation.as_ref())];
    let given: Vec<_> =
        optional.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    command.arg(12 + given.len()).arg("saga").arg(&row.saga).arg("shape").arg(row.shape);
    command.arg("phase").arg(row.phase.word()).arg("due").arg(row.due.as_microsecond());
    command.arg("cancelled").arg(u8::from(row.cancelled)).arg("epoch").arg(row.epoch);
    command.arg("revision").arg(row.revision).arg("correlation").arg(name_of(row.correlation));
    command.arg("depth").arg(row.depth).arg("started").arg(row.started.as_microsecond());
    command.arg("changed").arg(row.changed.as_microsecond()).arg("state").arg(&row.state[..]);
    for (field, value) in given {
        command.arg(field).arg(value);
    }
}

/// The fields that a write replaces.
fn write_state(command: &mut Cmd, write: &SagaWrite) {
    command.arg(5).arg("shape").arg(write.shape).arg("phase").arg(write.phase.word());
    command.arg("due").arg(write.due.as_microsecond());
    command.arg("changed").arg(write.changed.as_microsecond());
    command.arg("state").arg(&write.state[..]);
}

/// What a refusal means for the change that it names; `None` if it is none that the script gives.
pub(super) fn refusal(reply: &str, changes: &[SagaChange]) -> Option<Error> {
    let mut words = reply.split(' ');
    let word = words.next()?;
    let index: usize = words.next()?.parse().ok()?;
    let change = changes.get(index.checked_sub(1)?)?;
    let id = change.id();
    Some(match (word, change) {
        ("exists", _) => Error::SagaExists { key: None, id },
        ("taken", SagaChange::Start(row)) => {
            Error::SagaExists { key: row.key.clone(), id: Uuid::parse_str(words.next()?).ok()? }
        }
        ("missing", _) => Error::NotFound { what: "saga", value: id.to_string() },
        ("moved", _) => Error::SagaMoved { id },
        ("waits", _) => SagaRow::uncancellable(id, words.next()?.parse::<Phase>().ok()?),
        _ => return None,
    })
}
