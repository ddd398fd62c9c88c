//! What operators do to subscriptions, and what they ask about single events.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    claims::{generation, next_epoch},
    deliveries::{checkpoint, parked_state},
    places::pack,
    rows::{Count, Id, Place},
};
use crate::{
    delivery::{Checkpoint, Fate, ParkedState, Steer},
    error::{Error, Result},
    store::Position,
};

/// Does what an operator wants. A refusal is the inner error, and nothing has been written then.
pub(super) fn steer(connection: &Connection, name: &str, steer: Steer) -> rusqlite::Result<Result> {
    if let Steer::Skip { position } = steer
        && !has_event(connection, position)?
    {
        return Ok(Err(missing("event at the position", &position)));
    }
    let Some(checkpoint) = place(connection, name)? else {
        return Ok(Err(missing("subscription", &name)));
    };
    match steer {
        Steer::Pause => pause(connection, name, true).map(Ok),
        Steer::Resume => pause(connection, name, false).map(Ok),
        Steer::Move { to } => move_to(connection, name, to).map(Ok),
        Steer::Skip { position } => skip(connection, name, checkpoint, position),
    }
}

fn missing(what: &'static str, value: &dyn ToString) -> Error {
    Error::NotFound { what, value: value.to_string() }
}

fn has_event(connection: &Connection, position: Position) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM kairo_event WHERE sequence = ?1";
    connection.prepare_cached(select)?.exists([Place(position)])
}

fn place(connection: &Connection, name: &str) -> rusqlite::Result<Option<Checkpoint>> {
    let select = "SELECT low_water, finished FROM kairo_subscription WHERE name = ?1";
    connection.prepare_cached(select)?.query_row([name], |row| checkpoint(row, 0)).optional()
}

fn pause(connection: &Connection, name: &str, paused: bool) -> rusqlite::Result<()> {
    let update = "UPDATE kairo_subscription SET paused = ?2 WHERE name = ?1";
    connection.prepare_cached(update)?.execute(params![name, paused]).map(drop)
}

fn move_to(connection: &Connection, name: &str, to: Position) -> rusqlite::Result<()> {
    let epoch = next_epoch(connection)?;
    let update = "UPDATE kairo_subscription \
         SET low_water = ?2, finished = x'', generation = ?3, epoch = ?4, clean = 1 \
         WHERE name = ?1";
    let values = params![name, Place(to), generation(epoch), Count(epoch)];
    connection.prepare_cached(update)?.execute(values)?;
    let parked = "DELETE FROM kairo_parked WHERE subscription = ?1";
    connection.prepare_cached(parked)?.execute([name]).map(drop)
}

fn skip(
    connection: &Connection,
    name: &str,
    mut checkpoint: Checkpoint,
    position: Position,
) -> rusqlite::Result<Result> {
    let unpark = "DELETE FROM kairo_parked WHERE subscription = ?1 AND position = ?2";
    let values = params![name, Place(position)];
    if connection.prepare_cached(unpark)?.execute(values)? == 0 {
        if has_passed(&checkpoint, position) {
            let state = format!("`{name}` has handled the event at {position}");
            return Ok(Err(Error::WrongState(state)));
        }
        let index = checkpoint.finished.partition_point(|finished| *finished < position);
        checkpoint.finished.insert(index, position);
    }
    let epoch = next_epoch(connection)?;
    let finished = checkpoint.finished.iter().map(|position| position.sequence);
    let update = "UPDATE kairo_subscription SET finished = ?2, epoch = ?3, clean = 1 \
         WHERE name = ?1";
    let packed = pack(checkpoint.low_water.sequence, finished);
    connection.prepare_cached(update)?.execute(params![name, packed, Count(epoch)])?;
    Ok(Ok(()))
}

fn has_passed(checkpoint: &Checkpoint, position: Position) -> bool {
    position <= checkpoint.low_water || checkpoint.finished.contains(&position)
}

/// What became of the event at a place.
pub(super) fn fate(
    connection: &mut Connection,
    name: &str,
    position: Position,
) -> rusqlite::Result<Option<Fate>> {
    // One view of the file: the event may be on its way from one place to another.
    let transaction = connection.transaction()?;
    let Some(checkpoint) = place(&transaction, name)? else { return Ok(None) };
    if let Some(state) = parked(&transaction, name, position)? {
        return Ok(Some(Fate::Parked(state)));
    }
    if let Some(letter) = letter(&transaction, name, position)? {
        return Ok(Some(Fate::Dead(letter)));
    }
    Ok(Some(if has_passed(&checkpoint, position) { Fate::Done } else { Fate::Ahead }))
}

fn parked(
    connection: &Connection,
    name: &str,
    position: Position,
) -> rusqlite::Result<Option<ParkedState>> {
    let select = "SELECT state, due, crashes FROM kairo_parked \
         WHERE subscription = ?1 AND position = ?2";
    let values = params![name, Place(position)];
    connection.prepare_cached(select)?.query_row(values, |row| parked_state(row, 0)).optional()
}

fn letter(
    connection: &Connection,
    name: &str,
    position: Position,
) -> rusqlite::Result<Option<Uuid>> {
    let select = "SELECT id FROM kairo_dead_letter WHERE subscription = ?1 AND position = ?2 \
         ORDER BY last_failed, id";
    let values = params![name, Place(position)];
    let id = |row: &rusqlite::Row<'_>| row.get(0).map(|Id(id)| id);
    connection.prepare_cached(select)?.query_row(values, id).optional()
}
