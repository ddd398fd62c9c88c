//! Marks of what has been handled.

use std::collections::HashSet;

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    PostgresStore,
    connections::answered,
    rows::{count, int, small},
    seen::Claims,
    tables::{Statement, Tables},
};
use crate::{
    clock::Timestamp,
    delivery::{Mark, MarkKey},
    error::Result,
};

/// Claims that hold, which nobody takes over until the transaction ends, and keys that are marked. The
/// lock lets progress pass, which changes no key.
const LOOK: &str = "WITH c AS MATERIALIZED (SELECT subscription, epoch FROM {s}kairo_share \
      WHERE (subscription, epoch) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) \
      ORDER BY subscription, epoch FOR KEY SHARE) \
     SELECT subscription, epoch, NULL::uuid FROM c \
     UNION ALL SELECT m.subscription, m.generation, m.event \
      FROM unnest($3::text[], $4::bigint[], $5::uuid[]) AS w (subscription, generation, event) \
      CROSS JOIN LATERAL (SELECT subscription, generation, event FROM {s}kairo_mark AS k \
       WHERE k.subscription = w.subscription AND k.generation = w.generation \
       AND k.event = w.event LIMIT 1) AS m";

const INSERT: &str = "INSERT INTO {s}kairo_mark \
     (subscription, generation, event, epoch, order_id, sequence, time) \
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::integer[], $5::bigint[], \
      $6::bigint[], $7::bigint[])";

const ONE: &str = "SELECT 1 FROM {s}kairo_mark \
     WHERE subscription = $1 AND generation = $2 AND event = $3";

/// Old marks of events that no share of their subscription has before it.
const PRUNE: &str = "DELETE FROM {s}kairo_mark WHERE (subscription, generation, event) IN \
     (SELECT subscription, generation, event FROM {s}kairo_mark AS m \
      WHERE time < $1 AND NOT EXISTS (SELECT FROM {s}kairo_share AS h \
       WHERE h.subscription = m.subscription AND (h.low_epoch, h.low_order, h.low_sequence) \
        < (m.epoch, m.order_id, m.sequence)) \
      ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1";

impl PostgresStore {
    pub(super) async fn has_mark(&self, key: &MarkKey) -> Result<bool> {
        let select = || {
            let select = self.shared.tables.query(ONE).bind(key.subscription.as_str());
            select.bind(i64::from(key.generation)).bind(key.event)
        };
        Ok(!self.shared.pool.fetch("reading", select).await?.is_empty())
    }

    pub(super) async fn delete_marks(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let (before, limit) = (before.as_microsecond(), int(limit as u64));
        let delete = || self.shared.tables.query(PRUNE).bind(before).bind(limit);
        let rows = self.shared.pool.fetch("deleting marks of", delete).await?;
        Ok(rows.len() as u64)
    }
}

/// Which claims of marks hold, and which keys are marked already.
pub(super) async fn look(
    connection: &mut PgConnection,
    tables: &Tables,
    marks: &[Mark],
) -> sqlx::Result<(Claims, HashSet<MarkKey>)> {
    let claims =
        marks.iter().filter_map(|mark| Some((mark.key.subscription.as_str(), mark.epoch?)));
    let (subscriptions, epochs): (Vec<&str>, Vec<i64>) =
        claims.map(|(subscription, epoch)| (subscription, int(epoch))).unzip();
    let look = keys(tables.query(LOOK).bind(subscriptions).bind(epochs), marks);
    let (mut held, mut marked) = (Claims::new(), HashSet::new());
    for row in answered(look.fetch_all(connection)).await? {
        let subscription: String = row.try_get(0)?;
        match row.try_get::<Option<Uuid>, _>(2)? {
            None => drop(held.insert((subscription, count(&row, 1)?))),
            Some(event) => {
                marked.insert(MarkKey { subscription, generation: small(&row, 1)?, event });
            }
        }
    }
    Ok((held, marked))
}

/// Writes marks; a race for one of them ends in its primary key.
pub(super) async fn keep(
    connection: &mut PgConnection,
    tables: &Tables,
    marks: &[Mark],
) -> sqlx::Result<()> {
    if marks.is_empty() {
        return Ok(());
    }
    let places = marks.iter().map(|mark| mark.position);
    let epochs = places.clone().map(|place| i32::try_from(place.epoch).unwrap_or(i32::MAX));
    let insert = keys(tables.query(INSERT), marks)
        .bind(epochs.collect::<Vec<_>>())
        .bind(places.clone().map(|place| int(place.order)).collect::<Vec<_>>())
        .bind(places.map(|place| int(place.sequence)).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| mark.time.as_microsecond()).collect::<Vec<_>>());
    answered(insert.execute(connection)).await.map(drop)
}

/// Binds keys to three parameters.
fn keys(statement: Statement, marks: &[Mark]) -> Statement {
    let keys = marks.iter().map(|mark| &mark.key);
    statement
        .bind(keys.clone().map(|key| key.subscription.clone()).collect::<Vec<_>>())
        .bind(keys.clone().map(|key| i64::from(key.generation)).collect::<Vec<_>>())
        .bind(keys.map(|key| key.event).collect::<Vec<_>>())
}
