//! Subscriptions: their claims, places and parked events.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    SqliteStore,
    commit::Syncing,
    letters,
    places::{pack, unpack},
    rows::{Common, Count, Json, Place, Time, list, malformed, text},
    steering,
    streams::newest,
};
use crate::{
    backend::plan::check_claims,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, Fate, Parked, ParkedState, Partitions, Progress,
        Share, Steer, SubscriptionRow,
    },
    error::Result,
    event::name::StreamName,
    handler::entry::StartAt,
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
            let update = "UPDATE kairo_subscription SET clean = 1 WHERE name = ?1 AND epoch = ?2";
            let mut update = connection.prepare_cached(update)?;
            for (subscription, epoch) in &claims {
                update.execute(params![subscription, Count(*epoch)])?;
            }
            Ok(())
        }))
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(self.read(|reader| rows(&reader.connection)))
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write("removing a subscription of", Syncing::Now, move |connection| {
            let parked = "DELETE FROM kairo_parked WHERE subscription = ?1";
            connection.execute(parked, [&subscription])?;
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

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.shared.others.subscribe()
    }
}

/// Takes subscriptions over, one after the other, all of them under one new epoch.
fn claim_all(connection: &Connection, claims: &[Claim]) -> rusqlite::Result<Vec<Claimed>> {
    let epoch = next_epoch(connection)?;
    let head = concat!("SELECT ", newest!());
    let Count(head) = connection.query_row(head, [], |row| row.get(0))?;
    let burdened = burdened(connection)?;
    let claim = |request: &Claim| {
        rename_if_new(connection, request)?;
        let name = &request.subscription;
        let mut claimed = match place(connection, name, epoch)? {
            Some(known) => {
                let update = "UPDATE kairo_subscription SET epoch = ?2, clean = 0 WHERE name = ?1";
                connection.prepare_cached(update)?.execute(params![name, Count(epoch)])?;
                known
            }
            None => insert_new(connection, request, Position::at_sequence(head), epoch)?,
        };
        if request.renamed_from.is_some() || burdened.contains(name) {
            claimed.parked = parked_rows(connection, name)?;
            claimed.letters = letters::pending(connection, name, &mut Common::default())?;
        }
        Ok(claimed)
    };
    claims.iter().map(claim).collect()
}

/// An epoch that no claim has had.
pub(super) fn next_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let next = "UPDATE kairo_value SET value = value + 1 WHERE name = 'epoch' RETURNING value";
    connection.query_row(next, [], |row| row.get(0)).map(|Count(epoch)| epoch)
}

/// The generation that begins with an epoch, which no earlier one of its name had: what that one
/// has published is not taken for what this one publishes.
pub(super) fn generation(epoch: u64) -> u32 {
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

fn rename_if_new(connection: &Connection, claim: &Claim) -> rusqlite::Result<()> {
    match &claim.renamed_from {
        Some(old) if !exists(connection, &claim.subscription)? => {
            rename(connection, old, &claim.subscription)
        }
        _ => Ok(()),
    }
}

/// The subscriptions that have parked events, or letters that concern their claim.
fn burdened(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let select = "SELECT subscription FROM kairo_parked UNION \
         SELECT subscription FROM kairo_dead_letter WHERE due IS NOT NULL OR holds_key = 1";
    let mut select = connection.prepare(select)?;
    let names = select.query_map([], |row| Ok(text(row, 0)?.into_owned()))?;
    names.collect()
}

/// Where a subscription is, for an owner of this epoch.
fn place(connection: &Connection, name: &str, epoch: u64) -> rusqlite::Result<Option<Claimed>> {
    let select = "SELECT generation, clean, low_water, finished, paused FROM kairo_subscription \
         WHERE name = ?1";
    let claimed = |row: &Row<'_>| {
        Ok(Claimed {
            partitions: Partitions::WHOLE,
            epoch,
            generation: row.get(0)?,
            unclean: !row.get::<_, bool>(1)?,
            paused: row.get(4)?,
            checkpoint: checkpoint(row, 2)?,
            parked: Vec::new(),
            letters: Vec::new(),
        })
    };
    connection.prepare_cached(select)?.query_row([name], claimed).optional()
}

fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM kairo_subscription WHERE name = ?1";
    connection.query_row(select, [name], |_| Ok(())).optional().map(|row| row.is_some())
}

/// Moves a subscription and its letters to another name.
fn rename(connection: &Connection, old: &str, new: &str) -> rusqlite::Result<()> {
    if !exists(connection, old)? {
        return Ok(());
    }
    for update in [
        "UPDATE kairo_subscription SET name = ?2 WHERE name = ?1",
        "UPDATE kairo_parked SET subscription = ?2 WHERE subscription = ?1",
        "UPDATE kairo_dead_letter SET subscription = ?2 WHERE subscription = ?1",
    ] {
        connection.execute(update, [old, new])?;
    }
    Ok(())
}

fn insert_new(
    connection: &Connection,
    request: &Claim,
    head: Position,
    epoch: u64,
) -> rusqlite::Result<Claimed> {
    let low_water = match request.start {
        StartAt::Now => head,
        StartAt::Beginning => Position::START,
    };
    let generation = generation(epoch);
    let insert = "INSERT INTO kairo_subscription \
         (name, generation, epoch, clean, low_water, finished) VALUES (?1, ?2, ?3, 0, ?4, x'')";
    connection.prepare_cached(insert)?.execute(params![
        request.subscription,
        generation,
        Count(epoch),
        Place(low_water)
    ])?;
    Ok(Claimed {
        partitions: Partitions::WHOLE,
        epoch,
        generation,
        unclean: false,
        paused: false,
        checkpoint: Checkpoint::at(low_water),
        parked: Vec::new(),
        letters: Vec::new(),
    })
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<SubscriptionRow>> {
    // Counting for each subscription by itself would be much of a start.
    let select = "SELECT name, generation, low_water, epoch, paused, \
         coalesce(p.count, 0), coalesce(l.count, 0) \
         FROM kairo_subscription \
         LEFT JOIN (SELECT subscription, count(*) AS count FROM kairo_parked \
             GROUP BY subscription) AS p ON p.subscription = name \
         LEFT JOIN (SELECT subscription, count(*) AS count FROM kairo_dead_letter \
             GROUP BY subscription) AS l ON l.subscription = name \
         ORDER BY name";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([], |row| {
        let (Place(low_water), Count(epoch)) = (row.get(2)?, row.get(3)?);
        let share = Share { partitions: Partitions::WHOLE, owner: None, epoch, low_water };
        Ok(SubscriptionRow {
            subscription: text(row, 0)?.into_owned(),
            generation: row.get(1)?,
            paused: row.get(4)?,
            low_water,
            shares: vec![share],
            parked: row.get::<_, Count>(5)?.0,
            letters: row.get::<_, Count>(6)?.0,
        })
    })?;
    rows.collect()
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
    let Progress { subscription, checkpoint, park, unpark, .. } = progress;
    let finished = checkpoint.finished.iter().map(|position| position.sequence);
    let packed = pack(checkpoint.low_water.sequence, finished);
    let update = "UPDATE kairo_subscription SET low_water = ?2, finished = ?3 WHERE name = ?1";
    connection.prepare_cached(update)?.execute(params![
        subscription,
        Place(checkpoint.low_water),
        packed
    ])?;
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

fn parked_rows(connection: &Connection, subscription: &str) -> rusqlite::Result<Vec<Parked>> {
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
