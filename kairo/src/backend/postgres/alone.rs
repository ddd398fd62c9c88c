//! Changing one document in one statement, together with the event that tells of it.
//!
//! The document is changed where its stream is as expected and it is as it was seen, and the event is
//! appended where the document was changed. When that comes to nothing, a transaction looks for the
//! reason.

use sqlx::PgConnection;

use super::{
    append::{Appended, expectation, fits, gone_of, last_of, order, read, turn, version, writer},
    changes::text,
    connections::answered,
    instant::Instant,
    rows::{bind_event, event_columns, int},
    tables::{Statement, Tables},
    together::told,
};
use crate::{
    documents::{Change, DocumentChange},
    store::{Append, Committed, Unit},
};

macro_rules! insert {
    ($id:literal, $schema:literal, $time:literal, $body:literal, $from:literal) => {
        concat!(
            "INSERT INTO {doc} (id, version, schema, created, changed, body) SELECT ",
            $id,
            ", 1, ",
            $schema,
            ", ",
            $time,
            ", ",
            $time,
            ", ",
            $body,
            "::text::jsonb",
            $from,
            " ON CONFLICT DO NOTHING"
        )
    };
}

macro_rules! replace {
    (
        $id:literal, $schema:literal, $time:literal, $body:literal, $version:literal,
        $created:literal, $from:literal
    ) => {
        concat!(
            "UPDATE {doc} AS o SET version = o.version + 1, schema = ",
            $schema,
            ", changed = ",
            $time,
            ", body = ",
            $body,
            "::text::jsonb",
            $from,
            " WHERE o.id = ",
            $id,
            " AND o.version = ",
            $version,
            " AND o.created = ",
            $created
        )
    };
}

macro_rules! remove {
    ($id:literal, $version:literal, $created:literal, $from:literal) => {
        concat!(
            "DELETE FROM {doc} AS o",
            $from,
            " WHERE o.id = ",
            $id,
            " AND o.version = ",
            $version,
            " AND o.created = ",
            $created
        )
    };
}

const INSERT: &str = concat!(insert!("$1", "$2", "$3", "$4", ""), " RETURNING 1");
const INSERT_TOLD: &str = told!(insert!("$13", "$14", "$15", "$16", " FROM t"));
const REPLACE: &str = concat!(replace!("$1", "$2", "$3", "$4", "$5", "$6", ""), " RETURNING 1");
const REPLACE_TOLD: &str = told!(replace!("$13", "$14", "$15", "$16", "$17", "$18", " FROM t"));
const REMOVE: &str = concat!(remove!("$1", "$2", "$3", ""), " RETURNING 1");
const REMOVE_TOLD: &str = told!(remove!("$13", "$14", "$15", " USING t"));

/// Whether a change has been made; one that begins with what a first attempt has left does not fit any
/// more.
const SHOWS: &str = "SELECT 1 FROM {doc} WHERE id = $1 AND version = $2 AND created = $3 \
     AND changed = $4 AND body = $5::text::jsonb";

/// A document that has gone leaves nothing to compare with.
const SHOWS_NONE: &str =
    "SELECT 1 WHERE NOT EXISTS (SELECT FROM {doc} WHERE id = $1 AND created = $2)";

/// Writes a unit that makes this change, and appends one event or none.
pub(super) async fn write_one(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
    change: &DocumentChange,
) -> sqlx::Result<Appended> {
    let placed = if let [Append { events, expected, .. }] = unit.appends.as_slice()
        && let [event] = events.as_slice()
    {
        let text = match change.change {
            Change::Insert(_) => INSERT_TOLD,
            Change::Replace(..) => REPLACE_TOLD,
            Change::Remove(_) => REMOVE_TOLD,
        };
        let statement = bind_event(tables.query_of(change.collection, text), event);
        let statement = bind(statement.bind(expectation(*expected)), change)?;
        let row = answered(statement.fetch_optional(connection)).await?;
        row.as_ref().map(read).transpose()?.map(|placed| vec![placed])
    } else {
        let text = match change.change {
            Change::Insert(_) => INSERT,
            Change::Replace(..) => REPLACE,
            Change::Remove(_) => REMOVE,
        };
        let statement = bind(tables.query_of(change.collection, text), change)?;
        answered(statement.fetch_optional(connection)).await?.map(|_| Vec::new())
    };
    Ok(placed.map_or(Appended::Stale, |placed| Appended::All(Committed { placed })))
}

fn bind(statement: Statement, change: &DocumentChange) -> sqlx::Result<Statement> {
    // The statement keeps its values.
    let statement = statement.bind(change.id.clone());
    Ok(match &change.change {
        Change::Insert(body) | Change::Replace(_, body) => {
            let statement = statement.bind(i64::from(body.schema)).bind(Instant(body.time));
            let statement = statement.bind(text(body)?.to_owned());
            match change.change {
                Change::Replace(seen, _) => {
                    statement.bind(int(seen.version)).bind(Instant(seen.created))
                }
                _ => statement,
            }
        }
        Change::Remove(seen) => statement.bind(int(seen.version)).bind(Instant(seen.created)),
    })
}

/// Whether the documents are what a unit makes of them, which may have taken effect.
pub(super) async fn shows(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<bool> {
    for change in &unit.documents {
        let query = |text| tables.query_of(change.collection, text).bind(change.id.clone());
        let statement = match &change.change {
            Change::Insert(body) => query(SHOWS)
                .bind(1_i64)
                .bind(Instant(body.time))
                .bind(Instant(body.time))
                .bind(text(body)?.to_owned()),
            Change::Replace(seen, body) => query(SHOWS)
                .bind(int(seen.version + 1))
                .bind(Instant(seen.created))
                .bind(Instant(body.time))
                .bind(text(body)?.to_owned()),
            Change::Remove(seen) => query(SHOWS_NONE).bind(Instant(seen.created)),
        };
        if answered(statement.fetch_optional(&mut *connection)).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
