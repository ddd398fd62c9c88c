//! Dead letters.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{
        Common, Count, Id, Json, Place, Time, bind_event, event_columns, list, read_event, text,
        word,
    },
};
use crate::{
    clock::Timestamp,
    delivery::{DeadLetter, DeadLetters, LetterFilter, LetterState, Reason},
    error::Result,
    store::BoxFuture,
};

/// The columns of a letter in front of its event's, in the order of [`read`] and [`insert`].
macro_rules! columns {
    () => {
        concat!(
            "id, subscription, position, version, edited, reason, attempts, failures, \
             first_failed, last_failed, replays, holds_key, due, event_id, ",
            event_columns!()
        )
    };
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!("SELECT ", columns!(), " FROM kairo_dead_letter ", $($rest),+)
    };
}

/// Letters behind one, oldest or newest first, of one subscription or of all.
macro_rules! select_filtered {
    ($behind:literal, $of:literal, $order:literal) => {
        select!(
            "WHERE (last_failed, id) ",
            $behind,
            " (?1, ?2) AND last_failed <= ?3 AND (?4 IS NULL OR name = ?4) \
             AND (?5 IS NULL OR reason = ?5) \
             AND (?7 = 0 OR due IS NOT NULL OR holds_key = 1) ",
            $of,
            $order,
            " LIMIT ?6"
        )
    };
}

/// The number of columns in front of the event's.
const OWN_COLUMNS: usize = 14;

impl DeadLetters for SqliteStore {
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>> {
        Box::pin(self.read(move |reader| filtered(&reader.connection, &filter, &mut reader.common)))
    }

    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>> {
        Box::pin(self.read(move |reader| get(&reader.connection, id, &mut reader.common)))
    }
}

/// One letter.
pub(super) fn get(
    connection: &Connection,
    id: Uuid,
    common: &mut Common,
) -> rusqlite::Result<Option<DeadLetter>> {
    let mut select = connection.prepare_cached(select!("WHERE id = ?1"))?;
    select.query_row([Id(id)], |row| read(row, common)).optional()
}

/// A subscription's letters that are being replayed or hold their key, oldest first.
pub(super) fn pending(
    connection: &Connection,
    subscription: &str,
    common: &mut Common,
) -> rusqlite::Result<Vec<DeadLetter>> {
    const SELECT: &str = select!(
        "WHERE subscription = ?1 AND (due IS NOT NULL OR holds_key = 1) ORDER BY last_failed, id"
    );
    collect(connection, SELECT, &[&subscription], common)
}

fn filtered(
    connection: &Connection,
    filter: &LetterFilter,
    common: &mut Common,
) -> rusqlite::Result<Vec<DeadLetter>> {
    const ALL: &str = select_filtered!(">", "", "ORDER BY last_failed, id");
    const OF_ONE: &str =
        select_filtered!(">", "AND subscription = ?8 ", "ORDER BY last_failed, id");
    const NEWEST: &str = select_filtered!("<", "", "ORDER BY last_failed DESC, id DESC");
    const NEWEST_OF_ONE: &str =
        select_filtered!("<", "AND subscription = ?8 ", "ORDER BY last_failed DESC, id DESC");
    let (after, after_id) = match filter.after {
        Some((time, id)) => (time.as_microsecond(), id.as_bytes().to_vec()),
        None if filter.newest_first => (i64::MAX, Vec::new()),
        None => (i64::MIN, Vec::new()),
    };
    let until = Time(filter.dead_until.unwrap_or(Timestamp::MAX));
    let reason = filter.reason.map(Reason::as_str);
    let limit = Count(filter.limit.unwrap_or(LetterFilter::LIMIT) as u64);
    let mut values: Vec<&dyn ToSql> =
        vec![&after, &after_id, &until, &filter.event, &reason, &limit, &filter.pending];
    values.extend(filter.subscription.as_ref().map(|name| name as &dyn ToSql));
    let select = match (&filter.subscription, filter.newest_first) {
        (None, false) => ALL,
        (Some(_), false) => OF_ONE,
        (None, true) => NEWEST,
        (Some(_), true) => NEWEST_OF_ONE,
    };
    collect(connection, select, &values, common)
}

fn collect(
    connection: &Connection,
    select: &str,
    values: &[&dyn ToSql],
    common: &mut Common,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let mut select = connection.prepare_cached(select)?;
    let letters = select.query_map(params_from_iter(values), |row| read(row, common))?;
    letters.collect()
}

fn read(row: &Row<'_>, common: &mut Common) -> rusqlite::Result<DeadLetter> {
    let Id(event) = row.get(13)?;
    Ok(DeadLetter {
        id: row.get::<_, Id>(0)?.0,
        subscription: text(row, 1)?.into_owned(),
        position: row.get::<_, Place>(2)?.0,
        version: row.get::<_, Count>(3)?.0,
        edited: row.get::<_, Option<Json<_>>>(4)?.map(|Json(edited)| edited),
        reason: word(row, 5)?,
        attempts: row.get(6)?,
        failures: row.get::<_, Option<Json<_>>>(7)?.map(|Json(list)| list).unwrap_or_default(),
        first_failed: row.get::<_, Time>(8)?.0,
        last_failed: row.get::<_, Time>(9)?.0,
        replays: row.get(10)?,
        holds_key: row.get(11)?,
        state: match row.get(12)? {
            None => LetterState::Dead,
            Some(Time(due)) => LetterState::Replaying { due },
        },
        original: read_event(row, OWN_COLUMNS, event, common)?,
    })
}

/// Puts a letter in its place, or takes it away.
pub(super) fn set(
    connection: &Connection,
    id: Uuid,
    letter: Option<&DeadLetter>,
) -> rusqlite::Result<()> {
    if let Some(letter) = letter {
        return insert(connection, letter);
    }
    let delete = "DELETE FROM kairo_dead_letter WHERE id = ?1";
    connection.prepare_cached(delete)?.execute([Id(id)]).map(drop)
}

fn insert(connection: &Connection, letter: &DeadLetter) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT OR REPLACE INTO kairo_dead_letter (",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19, ?20, ?21, ?22, ?23, ?24)"
    );
    let due = match letter.state {
        LetterState::Dead => None,
        LetterState::Replaying { due } => Some(Time(due)),
    };
    let mut insert = connection.prepare_cached(INSERT)?;
    let own: [&dyn ToSql; OWN_COLUMNS] = [
        &Id(letter.id),
        &letter.subscription,
        &Place(letter.position),
        &Count(letter.version),
        &letter.edited.as_ref().map(Json),
        &letter.reason.as_str(),
        &letter.attempts,
        &list(&letter.failures),
        &Time(letter.first_failed),
        &Time(letter.last_failed),
        &letter.replays,
        &letter.holds_key,
        &due,
        &Id(letter.original.id),
    ];
    for (index, value) in own.into_iter().enumerate() {
        insert.raw_bind_parameter(index + 1, value)?;
    }
    bind_event(&mut insert, OWN_COLUMNS + 1, &letter.original)?;
    insert.raw_execute().map(drop)
}
