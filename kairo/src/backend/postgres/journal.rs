//! Sagas: claiming them and giving them back, reading and pruning them.

use uuid::Uuid;

use super::{
    PostgresStore, Shared,
    failure::is_lost,
    rows::{int, time},
    sagas::{read_all, saga_columns},
};
use crate::{
    clock::Timestamp,
    error::Result,
    journal::{Journal, SagaFilter, SagaRow},
    store::BoxFuture,
};

/// Takes over what nobody has, and what only those have whose leases have run out, who are found by
/// going from one owner to the next. What others are just taking is left to them.
const CLAIM: &str = concat!(
    "WITH RECURSIVE h AS ((SELECT held FROM {s}kairo_saga WHERE held IS NOT NULL \
      ORDER BY held LIMIT 1) UNION ALL SELECT (SELECT n.held FROM {s}kairo_saga AS n \
      WHERE n.held > h.held ORDER BY n.held LIMIT 1) FROM h WHERE h.held IS NOT NULL), \
     dead AS MATERIALIZED (SELECT held FROM h WHERE held IS NOT NULL AND held <> $1 \
      AND NOT EXISTS (SELECT FROM {s}kairo_member AS m WHERE m.id = h.held AND now() < m.until)), \
     free AS MATERIALIZED (SELECT f.id, f.due FROM unnest($3::text[]) AS n (saga) \
      CROSS JOIN LATERAL (SELECT id, due FROM {s}kairo_saga AS s WHERE s.saga = n.saga \
       AND waits <= $2 ORDER BY waits, id LIMIT $4 FOR UPDATE SKIP LOCKED) AS f), \
     lost AS MATERIALIZED (SELECT l.id, l.due FROM dead CROSS JOIN LATERAL \
      (SELECT id, due FROM {s}kairo_saga AS s WHERE s.held = dead.held AND s.saga = ANY($3) \
       AND due <= $2 ORDER BY due, id LIMIT $4 FOR UPDATE SKIP LOCKED) AS l), \
     taken AS (SELECT id FROM (SELECT * FROM free UNION ALL SELECT * FROM lost) AS a \
      ORDER BY due, id LIMIT $4) \
     UPDATE {s}kairo_saga SET owner = $1, held = $1, waits = NULL, claim = $5, \
     epoch = epoch + 1, revision = revision + 1 \
     WHERE id = ANY (ARRAY(SELECT id FROM taken)) RETURNING ",
    saga_columns!()
);

/// What a claim has taken whose answer was lost.
const CLAIMED: &str =
    concat!("SELECT ", saga_columns!(), " FROM {s}kairo_saga WHERE held = $1 AND claim = $2");

const RELEASE: &str =
    "UPDATE {s}kairo_saga SET owner = NULL, held = NULL, waits = due WHERE held = $1";

const ONE: &str = concat!("SELECT ", saga_columns!(), " FROM {s}kairo_saga WHERE id = $1");

/// Sagas behind one, oldest first.
macro_rules! select_filtered {
    ($of:literal) => {
        concat!(
            "SELECT ",
            saga_columns!(),
            " FROM {s}kairo_saga WHERE (started, id) > ($1, $2) AND started < $3 AND ",
            $of,
            " AND ($6::text[] = '{}' OR phase = ANY($6)) ORDER BY started, id LIMIT $7"
        )
    };
}

const FILTERED: &str =
    select_filtered!("($4::text IS NULL OR saga = $4) AND ($5::text IS NULL OR key = $5)");

/// Of one kind and key there is one.
const OF_KEY: &str = select_filtered!("saga = $4::text AND key = $5::text");

const NEXT: &str = "SELECT min(f.waits) FROM unnest($1::text[]) AS n (saga) CROSS JOIN LATERAL \
     (SELECT waits FROM {s}kairo_saga AS s WHERE s.saga = n.saga AND waits IS NOT NULL \
      ORDER BY waits, id LIMIT 1) AS f";

const PRUNE: &str = "DELETE FROM {s}kairo_saga WHERE id = ANY (ARRAY(SELECT id FROM {s}kairo_saga \
      WHERE ended < $1 ORDER BY ended, id LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id";

impl Journal for PostgresStore {
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            const CLAIMING: &str = "claiming sagas of";
            let Shared { tables, pool, failing, clock, .. } = &*self.shared;
            let (now, limit, id) = (now.as_microsecond(), int(limit as u64), clock.new_id());
            let claim = || {
                let claim = tables.query(CLAIM).bind(owner).bind(now).bind(names).bind(limit);
                pool.fetch_once(claim.bind(id))
            };
            let claimed = || tables.query(CLAIMED).bind(owner).bind(id);
            let mut rows = claim().await?;
            if rows.as_ref().is_err_and(is_lost) {
                // A repetition alone would pass over what the first has taken.
                rows = Ok(pool.fetch(CLAIMING, claimed).await?);
                if rows.as_ref().is_ok_and(Vec::is_empty) {
                    rows = claim().await?;
                }
            }
            let rows = rows.map_err(|error| failing.of(CLAIMING, error))?;
            let mut rows = read_all(&rows).map_err(|error| self.unreadable(error))?;
            rows.sort_unstable_by_key(|row| (row.due, row.id));
            Ok(rows)
        })
    }

    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let release = || self.shared.tables.query(RELEASE).bind(owner);
            self.shared.pool.fetch("releasing sagas of", release).await?;
            self.shared.tell_others();
            Ok(())
        })
    }

    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>> {
        Box::pin(async move {
            let select = || self.shared.tables.query(ONE).bind(id);
            let rows = self.shared.pool.fetch("reading", select).await?;
            Ok(read_all(&rows).map_err(|error| self.unreadable(error))?.pop())
        })
    }

    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            let from = filter.from.map_or(i64::MIN, Timestamp::as_microsecond);
            let (after, id) = match filter.after {
                Some((time, id)) if from <= time.as_microsecond() => (time.as_microsecond(), id),
                // Everything of a time lies behind the last id of the time before.
                _ => (from.saturating_sub(1), Uuid::max()),
            };
            let until = filter.until.map_or(i64::MAX, Timestamp::as_microsecond);
            let phases: Vec<_> = filter.phases.iter().map(|phase| phase.word()).collect();
            let text =
                if filter.saga.is_some() && filter.key.is_some() { OF_KEY } else { FILTERED };
            let select = || {
                let select = self.shared.tables.query(text).bind(after).bind(id).bind(until);
                let select = select.bind(filter.saga.as_deref()).bind(filter.key.as_deref());
                select.bind(&phases).bind(int(filter.limit as u64))
            };
            let rows = self.shared.pool.fetch("reading", select).await?;
            read_all(&rows).map_err(|error| self.unreadable(error))
        })
    }

    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>> {
        Box::pin(async move {
            let select = || self.shared.tables.query(NEXT).bind(names);
            let rows = self.shared.pool.fetch("reading", select).await?;
            let due = rows.first().map_or(Ok(None), |row| time(row, 0));
            due.map_err(|error| self.unreadable(error))
        })
    }

    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let (before, limit) = (before.as_microsecond(), int(limit as u64));
            let delete = || self.shared.tables.query(PRUNE).bind(before).bind(limit);
            let rows = self.shared.pool.fetch("deleting sagas of", delete).await?;
            Ok(rows.len() as u64)
        })
    }
}
