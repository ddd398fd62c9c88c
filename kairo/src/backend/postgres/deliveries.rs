//! Subscriptions: claiming them, and what there is to know about them.

use sqlx::{PgConnection, Row, postgres::PgRow};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Change, PostgresStore,
    claims::Claiming,
    connections::answered,
    failure::Trouble,
    members::is_alive,
    rows::{count, from_json, int, malformed, place, small},
    shares::partitions,
    tables::Tables,
};
use crate::{
    backend::plan::check_claims,
    clock::Timestamp,
    delivery::{Claim, Claimed, Deliveries, Fate, MarkKey, Share, Steer, SubscriptionRow},
    error::Result,
    event::name::StreamName,
    store::{BoxFuture, Position},
};

const RELEASE: &str = "UPDATE {s}kairo_share SET clean = true, owner = NULL \
     WHERE (subscription, epoch) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))";

const ROWS: &str = concat!(
    "SELECT s.name, s.generation, s.paused, s.partitions, \
     (SELECT count(*) FROM {s}kairo_parked AS p WHERE p.subscription = s.name), \
     (SELECT count(*) FROM {s}kairo_dead_letter AS l WHERE l.subscription = s.name), \
     h.epoch, h.partitions, (SELECT m.id FROM {s}kairo_member AS m WHERE m.id = h.owner AND ",
    is_alive!(),
    "), h.low_epoch, h.low_order, h.low_sequence, f.failure \
     FROM {s}kairo_subscription AS s LEFT JOIN {s}kairo_share AS h ON h.subscription = s.name \
     LEFT JOIN {s}kairo_failure AS f ON f.subscription = s.name \
     ORDER BY s.name, h.epoch"
);

impl Deliveries for PostgresStore {
    fn claim(
        &self,
        owner: Uuid,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Claimed>>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            // Read before anything is locked: an event that is appended later lies behind it.
            let head = self.settled_head().await?;
            let partitions = self.partitions();
            let claiming = Claiming { owner, claims: &claims, head, partitions };
            let claimed = self.shared.transact("claiming subscriptions of", &claiming).await?;
            self.shared.tell_others();
            Ok(claimed)
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let names: Vec<&str> = claims.iter().map(|(name, _)| name.as_str()).collect();
            let epochs: Vec<i64> = claims.iter().map(|(_, epoch)| int(*epoch)).collect();
            let statement = || self.shared.tables.query(RELEASE).bind(&names).bind(&epochs);
            self.shared.pool.fetch("releasing subscriptions of", statement).await?;
            self.shared.tell_others();
            Ok(())
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async move {
            let statement = || self.shared.tables.query(ROWS);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            subscription_rows(&rows).map_err(|error| self.unreadable(error))
        })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let removing = Removing(&subscription);
            let removed = self.shared.transact("removing a subscription of", &removing).await?;
            self.shared.tell_others();
            Ok(removed)
        })
    }

    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result> {
        Box::pin(async move { self.steer_subscription(&subscription, steer).await })
    }

    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>> {
        Box::pin(self.fate_of(subscription, stream, position))
    }

    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.has_mark(key))
    }

    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.delete_marks(before, limit))
    }

    fn partitions(&self) -> u32 {
        self.shared.connector.settings.partitions
    }

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.shared.others.subscribe()
    }
}

/// Subscriptions of which each has a row for each of its shares.
fn subscription_rows(rows: &[PgRow]) -> sqlx::Result<Vec<SubscriptionRow>> {
    let mut found: Vec<SubscriptionRow> = Vec::new();
    for row in rows {
        let name: &str = row.try_get(0)?;
        if found.last().is_none_or(|last| last.subscription != name) {
            found.push(SubscriptionRow {
                subscription: name.to_owned(),
                generation: small(row, 1)?,
                paused: row.try_get(2)?,
                low_water: Position::START,
                shares: Vec::new(),
                parked: count(row, 4)?,
                letters: count(row, 5)?,
                failure: from_json(row, 12)?,
            });
        }
        if let Some(last) = found.last_mut()
            && row.try_get::<Option<i64>, _>(6)?.is_some()
        {
            last.shares.push(Share {
                partitions: partitions(row, 7, number(row, 3)?)?,
                owner: row.try_get(8)?,
                epoch: count(row, 6)?,
                low_water: place(row, 9)?,
            });
        }
    }
    for row in &mut found {
        let places = row.shares.iter().map(|share| share.low_water);
        row.low_water = places.min().unwrap_or_default();
    }
    Ok(found)
}

/// Reads how many partitions there are.
pub(super) fn number(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    let number: i32 = row.try_get(column)?;
    u32::try_from(number).map_err(|error| malformed(column, error))
}

struct Removing<'a>(&'a str);

impl Change for Removing<'_> {
    type Done = bool;

    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<bool, Trouble> {
        let mut removed = 0;
        // What is parked goes last: its owner may have parked something until its share was gone.
        for delete in [
            "DELETE FROM {s}kairo_subscription WHERE name = $1",
            "DELETE FROM {s}kairo_share WHERE subscription = $1",
            "DELETE FROM {s}kairo_parked WHERE subscription = $1",
            "DELETE FROM {s}kairo_failure WHERE subscription = $1",
            "DELETE FROM {s}kairo_mark WHERE subscription = $1",
        ] {
            let delete = tables.query(delete).bind(self.0);
            removed += answered(delete.execute(&mut *connection)).await?.rows_affected();
        }
        Ok(0 < removed)
    }
}
