//! Streams: what there is to say about them, their snapshots, and deleting from them.

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    Change, PostgresStore,
    append::version,
    connections::answered,
    failure::Trouble,
    rows::{count, int, place, time},
    selection::{bind_selection, first_micros, selected},
    tables::Tables,
};
use crate::{
    backend::plan::Removed,
    clock::{Timestamp, micros},
    error::Result,
    event::name::StreamName,
    store::{Selection, Snapshot, StreamEnd, StreamStats},
};

/// The most events that one transaction deletes.
const PRUNED_MAX: usize = 1_000;

/// Nobody appends or keeps a snapshot meanwhile, and who waits to do so will see what was deleted.
const LOCK: &str = "LOCK TABLE {event}, {s}kairo_snapshot IN SHARE ROW EXCLUSIVE MODE";

/// Keeps the place that the log has reached, before the event that shows it may go.
macro_rules! note_newest {
    () => {
        "UPDATE {s}kairo_store SET newest_epoch = n.epoch, newest_order = n.order_id, \
         newest_sequence = n.sequence FROM (SELECT epoch, order_id, sequence FROM {event} \
          ORDER BY epoch DESC, order_id DESC, sequence DESC LIMIT 1) AS n \
         WHERE (newest_epoch, newest_order, newest_sequence) < (n.epoch, n.order_id, n.sequence)"
    };
}

const GONE: &str = "INSERT INTO {s}kairo_gone (stream, version, tombstone) VALUES ($1, $2, $3) \
     ON CONFLICT (stream) DO UPDATE SET version = excluded.version, \
     tombstone = excluded.tombstone";

const KEEP: &str = "INSERT INTO {s}kairo_snapshot AS s \
     (stream, name, version, schema, time, payload) SELECT $1, $2, $3, $4, $5, $6 \
     WHERE NOT EXISTS (SELECT FROM {s}kairo_gone WHERE stream = $1 AND $3 <= version) \
     ON CONFLICT (stream, name) DO UPDATE SET version = excluded.version, \
     schema = excluded.schema, time = excluded.time, payload = excluded.payload \
     WHERE s.version <= excluded.version";

const SNAPSHOT: &str = "SELECT version, schema, time, payload FROM {s}kairo_snapshot \
     WHERE stream = $1 AND name = $2";

const STATS: &str = concat!(
    "SELECT c.events, c.bytes, ",
    version!(),
    ", d.tombstone IS true, f.version, f.time, f.epoch, f.order_id, f.sequence, \
     l.version, l.time, l.epoch, l.order_id, l.sequence \
     FROM (SELECT count(*) AS events, coalesce(sum(octet_length(payload)), 0)::bigint AS bytes \
      FROM {event} WHERE stream = $1) AS c \
     LEFT JOIN LATERAL (SELECT version, time, epoch, order_id, sequence FROM {event} \
      WHERE stream = $1 ORDER BY version LIMIT 1) AS f ON true \
     LEFT JOIN LATERAL (SELECT version, time, epoch, order_id, sequence FROM {event} \
      WHERE stream = $1 ORDER BY version DESC LIMIT 1) AS l ON true \
     LEFT JOIN {s}kairo_gone AS d ON d.stream = $1 \
     WHERE l.version IS NOT NULL OR d.version IS NOT NULL"
);

/// The oldest events that may go: those that every subscription has passed and none has parked.
const PRUNE: &str = concat!(
    "WITH p AS MATERIALIZED (SELECT epoch, order_id, sequence, stream, version FROM {event} AS e \
      WHERE (epoch, order_id, sequence) <= (SELECT low_epoch, low_order, low_sequence FROM ( \
        SELECT low_epoch, low_order, low_sequence FROM {s}kairo_share \
        UNION ALL SELECT 2147483647, 9223372036854775807, 9223372036854775807) AS w \
        ORDER BY 1, 2, 3 LIMIT 1) \
      AND time < $1 AND ",
    selected!("$2", "$3", "$4"),
    " AND NOT EXISTS (SELECT FROM {s}kairo_parked AS k WHERE k.epoch = e.epoch \
        AND k.order_id = e.order_id AND k.sequence = e.sequence) \
      ORDER BY epoch, order_id, sequence LIMIT $5), \
     g AS (INSERT INTO {s}kairo_gone AS g (stream, version, tombstone) \
      SELECT p.stream, max(p.version), false FROM p GROUP BY p.stream HAVING max(p.version) = \
       (SELECT l.version FROM {event} AS l WHERE l.stream = p.stream \
        ORDER BY l.version DESC LIMIT 1) \
      ON CONFLICT (stream) DO UPDATE SET version = greatest(g.version, excluded.version)), \
     n AS (",
    note_newest!(),
    "), x AS (DELETE FROM {event} AS e USING p WHERE e.epoch = p.epoch \
       AND e.order_id = p.order_id AND e.sequence = p.sequence RETURNING 1) \
     SELECT count(*) FROM x"
);

impl PostgresStore {
    pub(super) async fn stats(&self, stream: &StreamName) -> Result<Option<StreamStats>> {
        let statement = || self.shared.tables.query(STATS).bind(stream.as_str());
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let stats = rows.first().map(read_stats).transpose();
        stats.map_err(|error| self.unreadable(error))
    }

    pub(super) async fn read_snapshot(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<Option<Snapshot>> {
        let statement = || self.shared.tables.query(SNAPSHOT).bind(stream.as_str()).bind(name);
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let read = |row: &PgRow| -> sqlx::Result<Snapshot> {
            Ok(Snapshot {
                stream: stream.clone(),
                name: name.to_owned(),
                version: count(row, 0)?,
                schema: row.try_get::<i64, _>(1)?.cast_unsigned(),
                time: micros(row.try_get(2)?),
                payload: row.try_get::<Vec<u8>, _>(3)?.into(),
            })
        };
        rows.first().map(read).transpose().map_err(|error| self.unreadable(error))
    }

    /// Deletes the oldest events batch by batch.
    pub(super) async fn prune_oldest(
        &self,
        before: Timestamp,
        selection: &Selection,
        limit: usize,
    ) -> Result<u64> {
        let (mut pruned, mut left) = (0, limit);
        while 0 < left {
            let most = left.min(PRUNED_MAX);
            let pruning = Pruning { before, selection, most };
            let gone = self.shared.transact("deleting events of", &pruning).await?;
            pruned += gone;
            if gone < most as u64 {
                break;
            }
            left -= most;
        }
        Ok(pruned)
    }
}

fn read_stats(row: &PgRow) -> sqlx::Result<StreamStats> {
    let (version, tombstone) = (count(row, 2)?, row.try_get(3)?);
    Ok(match (end(row, 4)?, end(row, 9)?) {
        (Some(first), Some(last)) => {
            let stats = StreamStats::of_events(count(row, 0)?, count(row, 1)?, first, last);
            StreamStats { version, ..stats }
        }
        _ => StreamStats::of_deleted(version, tombstone),
    })
}

fn end(row: &PgRow, first: usize) -> sqlx::Result<Option<StreamEnd>> {
    let Some(time) = time(row, first + 1)? else { return Ok(None) };
    Ok(Some(StreamEnd { version: count(row, first)?, time, position: place(row, first + 2)? }))
}

struct Pruning<'a> {
    before: Timestamp,
    selection: &'a Selection,
    most: usize,
}

impl Change for Pruning<'_> {
    type Done = u64;

    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<u64, Trouble> {
        let prune = tables.query(PRUNE).bind(first_micros(self.before));
        let prune = bind_selection(prune, self.selection).bind(int(self.most as u64));
        let row = answered(prune.fetch_one(connection)).await?;
        Ok(count(&row, 0)?)
    }
}

/// Waits for all who append, and holds up those who come, until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, tables: &Tables) -> sqlx::Result<()> {
    answered(tables.query(LOCK).execute(connection)).await.map(drop)
}

/// Takes a stream out of the log.
pub(super) async fn remove(
    connection: &mut PgConnection,
    tables: &Tables,
    removed: &Removed<'_>,
) -> sqlx::Result<()> {
    answered(tables.query(note_newest!()).execute(&mut *connection)).await?;
    let stream = removed.stream.as_str();
    let gone = tables.query(GONE).bind(stream).bind(int(removed.version)).bind(removed.tombstone);
    answered(gone.execute(&mut *connection)).await?;
    for delete in
        ["DELETE FROM {event} WHERE stream = $1", "DELETE FROM {s}kairo_snapshot WHERE stream = $1"]
    {
        answered(tables.query(delete).bind(stream).execute(&mut *connection)).await?;
    }
    Ok(())
}

/// Keeps a snapshot, unless there is a newer one, or its events had been deleted before it came.
pub(super) async fn keep(
    connection: &mut PgConnection,
    tables: &Tables,
    snapshot: &Snapshot,
) -> sqlx::Result<()> {
    let Snapshot { stream, name, version, schema, time, payload } = snapshot;
    let keep = tables.query(KEEP).bind(stream.as_str()).bind(name).bind(int(*version));
    let keep = keep.bind(schema.cast_signed()).bind(time.as_microsecond()).bind(&payload[..]);
    answered(keep.execute(connection)).await.map(drop)
}
