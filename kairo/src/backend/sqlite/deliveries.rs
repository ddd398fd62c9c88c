//! Subscriptions: where they are, and what they have parked.

use foldhash::HashMap;
use rusqlite::{Connection, Row, params};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    SqliteStore,
    claims::{claim_all, epoch},
    commit::Syncing,
    inbox,
    places::{pack, unpack},
    rows::{Count, Json, Place, Time, list, malformed, text},
    steering,
};
use crate::{
    backend::plan::check_claims,
    clock::Timestamp,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, Fate, MarkKey, Parked, ParkedState, Partitions,
        Progress, Share, Steer, SubscriptionRow,
    },
    error::Result,
    event::name::StreamName,
    store::{BoxFuture, Position},
};

impl Deliveries for SqliteStore {
    fn claim(
        &self,
        _owner: Uuid,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Claimed>>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            // A claim that a loss of power takes is one under which nothing durable was done.
            let claim = move |connection: &Connection| claim_all(connection, &claims);
            let claimed = self.write("claiming subscriptions of", Syncing::Later, claim).await?;
            Ok(claimed.into_iter().map(Some).collect())
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        // Where a loss of power takes it, the next start is careful without need.
        Box::pin(self.write("releasing subscriptions of", Syncing::Later, move |connection| {
            const UPDATE: &str = concat!(
                "UPDATE kairo_subscription SET epoch = ?2, clean = 1 WHERE name = ?1 AND ?2 = ",
                epoch!()
            );
            let mut update = connection.prepare_cached(UPDATE)?;
            for (subscription, epoch) in &claims {
                update.execute(params![subscription, Count(*epoch)])?;
            }
            Ok(())
        }))
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(self.read(|reader| rows(&reader.connection)))
    }

    fn subscription_names(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(self.read(|reader| {
            let select = "SELECT name FROM kairo_subscription ORDER BY name";
            let mut select = reader.connection.prepare_cached(select)?;
            let names = select.query_map([], |row| Ok(text(row, 0)?.into_owned()))?;
            names.collect()
        }))
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write("removing a subscription of", Syncing::Now, move |connection| {
            for delete in [
                "DELETE FROM kairo_parked WHERE subscription = ?1",
                "DELETE FROM kairo_mark WHERE subscription = ?1",
            ] {
                connection.execute(delete, [&subscription])?;
            }
            let place = "DELETE FROM kairo_subscription WHERE name = ?1";
            connection.execute(place, [&subscription]).map(|removed| 0 < removed)
        }))
    }

    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.write("steering a subscription of", Syncing::Now, move |connection| {
                steering::steer(connection, &subscription, steer)
            })
            .await?
        })
    }

    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        _stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>> {
        let subscription = subscription.to_owned();
        Box::pin(
            self.read(move |reader| {
                steering::fate(&mut reader.connection, &subscription, position)
            }),
        )
    }

    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>> {
        let key = key.clone();
        Box::pin(self.read(move |reader| inbox::is_marked(&reader.connection, &key)))
    }

    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.prune_old_marks(before, limit))
    }

    fn partitions(&self) -> u32 {
        Partitions::WHOLE.count()
    }

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.shared.others.subscribe()
    }
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<SubscriptionRow>> {
    const SELECT: &str = concat!(
        "SELECT name, generation, low_water, ",
        epoch!(),
        ", paused, failure FROM kairo_subscription ORDER BY name"
    );
    let parked = counts(connection, "SELECT subscription, count(*) FROM kairo_parked GROUP BY 1")?;
    let letters =
        counts(connection, "SELECT subscription, count(*) FROM kairo_dead_letter GROUP BY 1")?;
    let mut select = connection.prepare_cached(SELECT)?;
    let rows = select.query_map([], |row| {
        let (Place(low_water), Count(epoch)) = (row.get(2)?, row.get(3)?);
        let share = Share { partitions: Partitions::WHOLE, owner: None, epoch, low_water };
        let subscription = text(row, 0)?.into_owned();
        Ok(SubscriptionRow {
            generation: row.get(1)?,
            paused: row.get(4)?,
            low_water,
            shares: vec![share],
            parked: parked.get(&subscription).copied().unwrap_or_default(),
            letters: letters.get(&subscription).copied().unwrap_or_default(),
            failure: row.get::<_, Option<Json<_>>>(5)?.map(|Json(failure)| failure),
            subscription,
        })
    })?;
    rows.collect()
}

/// How many rows subscriptions have, those that have any. Nearly all have none, and asking for each
/// by itself would be much of a start.
fn counts(connection: &Connection, select: &str) -> rusqlite::Result<HashMap<String, u64>> {
    let mut select = connection.prepare_cached(select)?;
    let counts =
        select.query_map([], |row| Ok((text(row, 0)?.into_owned(), row.get::<_, Count>(1)?.0)))?;
    counts.collect()
}

pub(super) fn checkpoint(row: &Row<'_>, first: usize) -> rusqlite::Result<Checkpoint> {
    let Place(low_water) = row.get(first)?;
    let packed = row.get_ref(first + 1)?.as_blob()?;
    let finished = unpack(low_water.sequence, packed)
        .ok_or_else(|| malformed(first + 1, "these are no ascending places"))?;
    let finished = finished.into_iter().map(Position::at_sequence).collect();
    Ok(Checkpoint { finished, ..Checkpoint::at(low_water) })
}

/// Takes over what was achieved; the epoch has been checked.
pub(super) fn advance(connection: &Connection, progress: &Progress) -> rusqlite::Result<()> {
    let Progress { subscription, checkpoint, park, unpark, failure, .. } = progress;
    let finished = checkpoint.finished.iter().map(|position| position.sequence);
    let packed = pack(checkpoint.low_water.sequence, finished);
    let update = "UPDATE kairo_subscription SET low_water = ?2, finished = ?3 WHERE name = ?1";
    connection.prepare_cached(update)?.execute(params![
        subscription,
        Place(checkpoint.low_water),
        packed
    ])?;
    if let Some(failure) = failure {
        let update = "UPDATE kairo_subscription SET failure = ?2 WHERE name = ?1";
        connection.prepare_cached(update)?.execute(params![subscription, Json(failure)])?;
    }
    for parked in park {
        put_parked(connection, subscription, parked)?;
    }
    for position in unpark {
        let delete = "DELETE FROM kairo_parked WHERE subscription = ?1 AND position = ?2";
        connection.prepare_cached(delete)?.execute(params![subscription, Place(*position)])?;
    }
    Ok(())
}

fn put_parked(
    connection: &Connection,
    subscription: &str,
    parked: &Parked,
) -> rusqlite::Result<()> {
    let (state, due, crashes) = match parked.state {
        ParkedState::Retry { due } => ("retry", Some(Time(due)), None),
        ParkedState::Behind => ("behind", None, None),
        ParkedState::Newer => ("newer", None, None),
        ParkedState::Alone { crashes } => ("alone", None, Some(crashes)),
    };
    let insert = "INSERT OR REPLACE INTO kairo_parked \
         (subscription, position, key, state, due, crashes, attempts, failures) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection
        .prepare_cached(insert)?
        .execute(params![
            subscription,
            Place(parked.position),
            parked.key,
            state,
            due,
            crashes,
            parked.attempts,
            list(&parked.failures),
        ])
        .map(drop)
}

pub(super) fn parked_rows(
    connection: &Connection,
    subscription: &str,
) -> rusqlite::Result<Vec<Parked>> {
    let select = "SELECT position, key, state, due, crashes, attempts, failures \
         FROM kairo_parked WHERE subscription = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([subscription], |row| {
        Ok(Parked {
            position: row.get::<_, Place>(0)?.0,
            key: text(row, 1)?.into_owned(),
            state: parked_state(row, 2)?,
            attempts: row.get(5)?,
            failures: row.get::<_, Option<Json<_>>>(6)?.map(|Json(list)| list).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// Reads the columns `state`, `due` and `crashes`.
pub(super) fn parked_state(row: &Row<'_>, first: usize) -> rusqlite::Result<ParkedState> {
    Ok(match &*text(row, first)? {
        "retry" => ParkedState::Retry { due: row.get::<_, Time>(first + 1)?.0 },
        "behind" => ParkedState::Behind,
        "newer" => ParkedState::Newer,
        "alone" => ParkedState::Alone { crashes: row.get(first + 2)? },
        other => return Err(malformed(first, format!("`{other}` is no state of a parked event"))),
    })
}
