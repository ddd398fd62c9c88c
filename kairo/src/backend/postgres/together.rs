//! Changing sagas in one statement with the events of their units: a step of a saga is one round
//! trip, and many steps of many sagas are one as well.
//!
//! A unit changes one saga here at most, so the change itself can say whether the unit takes effect:
//! it is made where the streams are as expected, and the events are appended where it was made. The
//! rows of sagas are found by walking their primary key, however large the table is; therefore the
//! new states of many are insertions that find a row in their place.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    append::{
        Appended, append_fitting, deal, expectation, fits, gone_of, last_of, many, order, read,
        streams, turn, version, writer,
    },
    connections::answered,
    rows::{bind_event, event_columns, event_rows, int},
    sagas::{
        bind_row, bind_write, change_alone, has_ended, indexed, is_live, saga_columns, written,
    },
    tables::{Statement, Tables},
};
use crate::{
    event::record::EventData,
    journal::{SagaChange, SagaRow, SagaWrite},
    store::{Append, Committed, Placed, Unit, Version},
};

/// A change `c` of a row where the stream of one event is as expected, and the event where the
/// change was made.
macro_rules! told {
    ($($change:expr),+) => {
        concat!(
            "WITH t AS MATERIALIZED (SELECT s.epoch, ",
            order!(),
            " AS order_id, ",
            version!(),
            " + 1 AS version FROM ",
            writer!(),
            " LEFT JOIN LATERAL ",
            last_of!("$5"),
            " ON true LEFT JOIN LATERAL ",
            gone_of!("$5"),
            " ON true WHERE ",
            fits!("$12::bigint"),
            "), c AS (",
            $($change,)+
            " RETURNING 1) INSERT INTO {event} (epoch, order_id, version, ",
            event_columns!(),
            ") SELECT t.epoch, t.order_id, t.version, \
             $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM t, c \
             RETURNING epoch, order_id, sequence, version, id"
        )
    };
}
pub(super) use told;

const START_ONE: &str = told!(
    "INSERT INTO {s}kairo_saga (",
    saga_columns!(),
    ", waits, held, ended) SELECT $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
     $26, $27, $28, ",
    indexed!("$17", "$18", "$20", "$27"),
    " FROM t ON CONFLICT DO NOTHING"
);

const WRITE_ONE: &str = told!(
    "UPDATE {s}kairo_saga AS o SET ",
    written!("$16", "$17", "$18", "$19", "$20", "$21"),
    " FROM t WHERE o.id = $13 AND o.epoch = $14 AND o.revision = $15"
);

/// Events of units and changes of their sagas. `u` says which units find their streams as expected,
/// `n` and `w` start and write, in one order for all, so that nobody waits in a circle, and `k` says
/// which units take effect. Those that do not are told at the end, below 0.
const MANY: &str = concat!(
    "WITH ",
    streams!(),
    ", u AS MATERIALIZED (SELECT array_agg(f.unfit IS NOT true ORDER BY g.no) AS fits \
       FROM unnest($17::uuid[]) WITH ORDINALITY AS g (id, no) LEFT JOIN \
       (SELECT unit, bool_or(NOT fits) AS unfit FROM r GROUP BY unit) AS f ON f.unit = g.no), \
     n AS (INSERT INTO {s}kairo_saga (",
    saga_columns!(),
    ", waits, held, ended) SELECT ",
    saga_columns!(),
    ", ",
    indexed!("v.phase", "v.due", "v.owner", "v.changed"),
    " FROM u, unnest($18::uuid[], $19::text[], $20::text[], $21::bigint[], $22::text[], \
       $23::bigint[], $24::boolean[], $25::uuid[], $26::bigint[], $27::bigint[], $28::uuid[], \
       $29::uuid[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bytea[], $34::bigint[]) AS v (",
    saga_columns!(),
    ", unit) WHERE u.fits[v.unit] ORDER BY v.saga, v.key, v.id \
       ON CONFLICT DO NOTHING RETURNING id), \
     w AS (INSERT INTO {s}kairo_saga AS old (",
    saga_columns!(),
    ", waits, held, ended) SELECT o.id, o.saga, o.key, v.shape, v.phase, v.due, o.cancelled, \
       CASE WHEN v.keep THEN o.owner END, o.epoch, o.revision + 1, o.correlation, o.causation, \
       o.depth, o.started, v.changed, v.state, ",
    indexed!("v.phase", "v.due", "CASE WHEN v.keep THEN o.owner END", "v.changed"),
    " FROM u, unnest($35::uuid[], $36::bigint[], \
       $37::bigint[], $38::bigint[], $39::text[], $40::bigint[], $41::bigint[], $42::bytea[], \
       $43::boolean[], $44::bigint[]) \
       AS v (id, epoch, revision, shape, phase, due, changed, state, keep, unit) \
       CROSS JOIN LATERAL (SELECT * FROM {s}kairo_saga AS s WHERE s.id = v.id LIMIT 1) AS o \
       WHERE u.fits[v.unit] AND o.epoch = v.epoch AND o.revision = v.revision ORDER BY o.id \
       ON CONFLICT (id) DO UPDATE SET shape = excluded.shape, phase = excluded.phase, \
       due = excluded.due, changed = excluded.changed, state = excluded.state, \
       revision = excluded.revision, ended = excluded.ended, \
       owner = CASE WHEN excluded.owner IS NOT NULL THEN old.owner END, \
       held = CASE WHEN excluded.owner IS NOT NULL THEN old.owner END, waits = CASE WHEN ",
    is_live!("excluded.phase"),
    " AND (excluded.owner IS NULL OR old.owner IS NULL) THEN excluded.due END \
       WHERE old.epoch = excluded.epoch AND old.revision = excluded.revision - 1 RETURNING id), \
     k AS MATERIALIZED (SELECT array_agg(u.fits[g.no] AND (g.id IS NULL OR c.id IS NOT NULL) \
       ORDER BY g.no) AS done FROM u CROSS JOIN unnest($17::uuid[]) WITH ORDINALITY AS g (id, no) \
       LEFT JOIN (SELECT id FROM n UNION ALL SELECT id FROM w) AS c ON c.id = g.id), ",
    append_fitting!("k", "k.done"),
    " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, -g.no, NULL \
       FROM k, unnest(k.done) WITH ORDINALITY AS g (done, no) WHERE NOT g.done"
);

/// Writes a unit by itself that makes this change, and no other.
pub(super) async fn write_one(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
    change: &SagaChange,
) -> sqlx::Result<Appended> {
    let placed = match unit.appends.as_slice() {
        [] => change_alone(connection, tables, change).await?.then(Vec::new),
        [Append { events, expected, .. }] if events.len() == 1 => {
            let placed = with_event(connection, tables, &events[0], *expected, change).await?;
            placed.map(|placed| vec![placed])
        }
        _ => {
            let mut written = write_many(connection, tables, [unit]).await?;
            return written.pop().ok_or(sqlx::Error::RowNotFound);
        }
    };
    Ok(placed.map_or(Appended::Stale, |placed| Appended::All(Committed { placed })))
}

async fn with_event(
    connection: &mut PgConnection,
    tables: &Tables,
    event: &EventData,
    expected: Version,
    change: &SagaChange,
) -> sqlx::Result<Option<Placed>> {
    let bind = |text| bind_event(tables.query(text), event).bind(expectation(expected));
    let statement = match change {
        SagaChange::Start(row) => bind_row(bind(START_ONE), row),
        SagaChange::Write(write) => bind_write(bind(WRITE_ONE), write),
        SagaChange::Cancel { .. } => return Ok(None),
    };
    let row = answered(statement.fetch_optional(connection)).await?;
    row.as_ref().map(read).transpose()
}

/// Writes the units that fit in one transaction. No two of them have a stream or a saga in common.
pub(super) async fn write_many<'a>(
    connection: &mut PgConnection,
    tables: &Tables,
    units: impl IntoIterator<Item = &'a Unit> + Clone,
) -> sqlx::Result<Vec<Appended>> {
    let statement = many(tables.query(MANY), units.clone());
    let statement = changes(statement, units.clone());
    let rows = answered(statement.fetch_all(connection)).await?;
    deal(units, &rows)
}

/// Binds the changes of units to the parameters from 17 on: whose they are, who starts, who writes.
fn changes<'a>(statement: Statement, units: impl IntoIterator<Item = &'a Unit>) -> Statement {
    let mut ids: Vec<Option<Uuid>> = Vec::new();
    let (mut starts, mut writes) = (Vec::new(), Vec::new());
    for (number, unit) in (1_i64..).zip(units) {
        ids.push(unit.sagas.first().map(SagaChange::id));
        match unit.sagas.first() {
            Some(SagaChange::Start(row)) => starts.push((row, number)),
            Some(SagaChange::Write(write)) => writes.push((write, number)),
            Some(SagaChange::Cancel { .. }) | None => {}
        }
    }
    bind_writes(bind_starts(statement.bind(ids), &starts), &writes)
}

fn bind_starts(statement: Statement, starts: &[(&SagaRow, i64)]) -> Statement {
    macro_rules! all {
        ($row:ident => $value:expr) => {
            starts.iter().map(|($row, _)| $value).collect::<Vec<_>>()
        };
    }
    statement
        .bind(all!(row => row.id))
        .bind(all!(row => row.saga.as_str()))
        .bind(all!(row => row.key.as_deref()))
        .bind(all!(row => row.shape.cast_signed()))
        .bind(all!(row => row.phase.word()))
        .bind(all!(row => row.due.as_microsecond()))
        .bind(all!(row => row.cancelled))
        .bind(all!(row => row.owner))
        .bind(all!(row => int(row.epoch)))
        .bind(all!(row => int(row.revision)))
        .bind(all!(row => row.correlation))
        .bind(all!(row => row.causation))
        .bind(all!(row => i64::from(row.depth)))
        .bind(all!(row => row.started.as_microsecond()))
        .bind(all!(row => row.changed.as_microsecond()))
        .bind(all!(row => &row.state[..]))
        .bind(starts.iter().map(|(_, unit)| *unit).collect::<Vec<_>>())
}

fn bind_writes(statement: Statement, writes: &[(&SagaWrite, i64)]) -> Statement {
    macro_rules! all {
        ($write:ident => $value:expr) => {
            writes.iter().map(|($write, _)| $value).collect::<Vec<_>>()
        };
    }
    statement
        .bind(all!(write => write.id))
        .bind(all!(write => int(write.epoch)))
        .bind(all!(write => int(write.revision)))
        .bind(all!(write => write.shape.cast_signed()))
        .bind(all!(write => write.phase.word()))
        .bind(all!(write => write.due.as_microsecond()))
        .bind(all!(write => write.changed.as_microsecond()))
        .bind(all!(write => &write.state[..]))
        .bind(all!(write => write.keeps_owner()))
        .bind(writes.iter().map(|(_, unit)| *unit).collect::<Vec<_>>())
}
