//! Dead letters.

use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore,
    connections::answered,
    rows::{
        EVENT_COLUMNS, Names, bind_event, bind_place, count, event, from_json, int, json, list,
        malformed, place, small, time,
    },
    tables::Tables,
};
use crate::{
    clock::{Timestamp, micros},
    delivery::{DeadLetter, DeadLetters, LetterFilter, LetterState, Reason},
    error::Result,
    store::BoxFuture,
};

/// The columns of a letter's event, whose id is not the letter's, and then of the letter, in the
/// order of [`read`] and [`set`].
macro_rules! columns {
    () => {
        "event_id, derived, name, schema, stream, time, correlation, causation, depth, metadata, \
         payload, epoch, order_id, sequence, id, subscription, version, edited, reason, attempts, \
         failures, first_failed, last_failed, replays, holds_key, due"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM {s}kairo_dead_letter ", $rest)
    };
}

const FILTERED: &str = select!(
    "WHERE (last_failed, id) > ($1, $2) AND last_failed <= $3 \
     AND ($4::text IS NULL OR name = $4) AND ($5::text IS NULL OR reason = $5) \
     ORDER BY last_failed, id LIMIT $6"
);

const FILTERED_OF_ONE: &str = select!(
    "WHERE subscription = $7 AND (last_failed, id) > ($1, $2) AND last_failed <= $3 \
     AND ($4::text IS NULL OR name = $4) AND ($5::text IS NULL OR reason = $5) \
     ORDER BY last_failed, id LIMIT $6"
);

const ONE: &str = select!("WHERE id = $1");

const LOCKED: &str = select!("WHERE id = ANY($1) ORDER BY id FOR UPDATE");

const PENDING: &str = select!(
    "WHERE subscription = ANY($1) AND (due IS NOT NULL OR holds_key) ORDER BY last_failed, id"
);

const SET: &str = concat!(
    "INSERT INTO {s}kairo_dead_letter (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
     $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (id) DO UPDATE SET \
     edited = excluded.edited, reason = excluded.reason, attempts = excluded.attempts, \
     failures = excluded.failures, last_failed = excluded.last_failed, \
     replays = excluded.replays, holds_key = excluded.holds_key, due = excluded.due"
);

impl DeadLetters for PostgresStore {
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>> {
        Box::pin(async move {
            let (time, id) = filter
                .after
                .map_or((i64::MIN, Uuid::nil()), |(time, id)| (time.as_microsecond(), id));
            let until = filter.dead_until.unwrap_or(Timestamp::MAX).as_microsecond();
            let limit = int(filter.limit.unwrap_or(LetterFilter::LIMIT) as u64);
            let with = |text| {
                let statement = self.shared.tables.query(text).bind(time).bind(id).bind(until);
                let statement = statement.bind(&filter.event);
                statement.bind(filter.reason.map(Reason::as_str)).bind(limit)
            };
            let statement = || match &filter.subscription {
                None => with(FILTERED),
                Some(subscription) => with(FILTERED_OF_ONE).bind(subscription),
            };
            let rows = self.shared.pool.fetch("reading", statement).await?;
            read_all(&rows).map_err(|error| self.unreadable(error))
        })
    }

    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>> {
        Box::pin(async move {
            let statement = || self.shared.tables.query(ONE).bind(id);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let letters = read_all(&rows).map_err(|error| self.unreadable(error))?;
            Ok(letters.into_iter().next())
        })
    }
}

/// These letters, as far as they are there; nobody else changes them until the transaction ends.
pub(super) async fn locked(
    connection: &mut PgConnection,
    tables: &Tables,
    ids: &[Uuid],
) -> sqlx::Result<Vec<DeadLetter>> {
    let select = tables.query(LOCKED).bind(ids);
    read_all(&answered(select.fetch_all(connection)).await?)
}

/// The letters of subscriptions that are being replayed or hold their key, oldest first.
pub(super) async fn pending(
    connection: &mut PgConnection,
    tables: &Tables,
    names: &[&str],
) -> sqlx::Result<Vec<DeadLetter>> {
    let select = tables.query(PENDING).bind(names);
    read_all(&answered(select.fetch_all(connection)).await?)
}

fn read_all(rows: &[PgRow]) -> sqlx::Result<Vec<DeadLetter>> {
    let mut names = Names::default();
    rows.iter().map(|row| read(row, &mut names)).collect()
}

fn read(row: &PgRow, names: &mut Names) -> sqlx::Result<DeadLetter> {
    const OWN: usize = EVENT_COLUMNS;
    let reason: &str = row.try_get(OWN + 7)?;
    Ok(DeadLetter {
        original: event(row, 0, names)?,
        position: place(row, OWN)?,
        id: row.try_get(OWN + 3)?,
        subscription: row.try_get(OWN + 4)?,
        version: count(row, OWN + 5)?,
        edited: from_json(row, OWN + 6)?,
        reason: reason.parse().map_err(|error: crate::Error| malformed(OWN + 7, error))?,
        attempts: small(row, OWN + 8)?,
        failures: from_json(row, OWN + 9)?.unwrap_or_default(),
        first_failed: micros(row.try_get(OWN + 10)?),
        last_failed: micros(row.try_get(OWN + 11)?),
        replays: small(row, OWN + 12)?,
        holds_key: row.try_get(OWN + 13)?,
        state: match time(row, OWN + 14)? {
            None => LetterState::Dead,
            Some(due) => LetterState::Replaying { due },
        },
    })
}

/// Puts a letter in its place, or takes it away.
pub(super) async fn set(
    connection: &mut PgConnection,
    tables: &Tables,
    id: Uuid,
    letter: Option<&DeadLetter>,
) -> sqlx::Result<()> {
    let Some(letter) = letter else {
        let delete = tables.query("DELETE FROM {s}kairo_dead_letter WHERE id = $1").bind(id);
        return answered(delete.execute(connection)).await.map(drop);
    };
    let due = match letter.state {
        LetterState::Dead => None,
        LetterState::Replaying { due } => Some(due.as_microsecond()),
    };
    let set = bind_place(bind_event(tables.query(SET), &letter.original), letter.position)
        .bind(letter.id)
        .bind(&letter.subscription)
        .bind(int(letter.version))
        .bind(letter.edited.as_ref().map(json))
        .bind(letter.reason.as_str())
        .bind(i64::from(letter.attempts))
        .bind(list(&letter.failures))
        .bind(letter.first_failed.as_microsecond())
        .bind(letter.last_failed.as_microsecond())
        .bind(i64::from(letter.replays))
        .bind(letter.holds_key)
        .bind(due);
    answered(set.execute(connection)).await.map(drop)
}
