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
    let mut fields: Vec<(&str, Vec<u8>)> = vec![
        ("saga", row.saga.clone().into_bytes()),
        ("shape", row.shape.to_string().into_bytes()),
        ("phase", row.phase.word().into()),
        ("due", micros(row.due)),
        ("cancelled", u8::from(row.cancelled).to_string().into_bytes()),
        ("epoch", row.epoch.to_string().into_bytes()),
        ("revision", row.revision.to_string().into_bytes()),
        ("correlation", name_of(row.correlation).into_bytes()),
        ("depth", row.depth.to_string().into_bytes()),
        ("started", micros(row.started)),
        ("changed", micros(row.changed)),
        ("state", row.state.to_vec()),
    ];
    fields.extend(row.key.clone().map(|key| ("key", key.into_bytes())));
    fields.extend(row.owner.map(|owner| ("owner", name_of(owner).into_bytes())));
    fields.extend(row.causation.map(|id| ("causation", name_of(id).into_bytes())));
    command.arg(fields.len());
    for (field, value) in &fields {
        command.arg(field).arg(&value[..]);
    }
}

/// The fields that a write replaces.
fn write_state(command: &mut Cmd, write: &SagaWrite) {
    command.arg(5).arg("shape").arg(write.shape).arg("phase").arg(write.phase.word());
    command.arg("due").arg(write.due.as_microsecond());
    command.arg("changed").arg(write.changed.as_microsecond());
    command.arg("state").arg(&write.state[..]);
}

fn micros(time: Timestamp) -> Vec<u8> {
    time.as_microsecond().to_string().into_bytes()
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
