//! Subscriptions: their claims, places and parked events.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    SqliteStore,
    commit::Syncing,
    letters,
    places::{pack, unpack},
    rows::{Count, Json, Names, Place, Time, list, malformed, text},
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

/// Takes subscriptions over, one after the other as far as anybody can see.
fn claim_all(connection: &Connection, claims: &[Claim]) -> rusqlite::Result<Vec<Claimed>> {
    let (mut claimed, mut rest) = (Vec::with_capacity(claims.len()), claims);
    while !rest.is_empty() {
        let (apart, later) = rest.split_at(apart(rest));
        claimed.extend(claim_apart(connection, apart)?);
        rest = later;
    }
    Ok(claimed)
}

/// How many claims at the front have nothing to do with each other; at least one.
fn apart<'a>(claims: &'a [Claim]) -> usize {
    let mut names = HashSet::new();
    let meets_another = |claim: &'a Claim| {
        claim.renamed_from.as_ref().is_some_and(|old| names.contains(old))
            || !names.insert(&claim.subscription)
    };
    claims.iter().position(meets_another).unwrap_or(claims.len())
}

/// Takes subscriptions over, all of them under one new epoch.
fn claim_apart(connection: &Connection, claims: &[Claim]) -> rusqlite::Result<Vec<Claimed>> {
    for request in claims {
        rename_if_new(connection, request)?;
    }
    let names: Vec<_> = claims.iter().map(|request| &request.subscription).collect();
    let epoch = next_epoch(connection)?;
    let known = known(connection, &names)?;
    for request in claims.iter().filter(|request| !known.contains(&request.subscription)) {
        insert_new(connection, &request.subscription, request.start, epoch)?;
    }
    let mut places = places(connection, &names, epoch)?;
    let update = "UPDATE kairo_subscription SET epoch = ?1, clean = 0 \
         WHERE name IN (SELECT value FROM json_each(?2))";
    connection.execute(update, params![Count(epoch), Json(&names)])?;
    for name in burdened(connection)? {
        if let Some(claimed) = places.get_mut(&name) {
            claimed.parked = parked_rows(connection, &name)?;
            claimed.letters = letters::pending(connection, &name, &mut Names::default())?;
        }
    }
    let taken = names.iter().map(|name| places.remove(*name));
    taken.map(|claimed| claimed.ok_or(rusqlite::Error::QueryReturnedNoRows)).collect()
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

/// Which of these subscriptions there are.
fn known(connection: &Connection, names: &Vec<&String>) -> rusqlite::Result<HashSet<String>> {
    let select = "SELECT name FROM kairo_subscription \
         WHERE name IN (SELECT value FROM json_each(?1))";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([Json(names)], |row| Ok(text(row, 0)?.into_owned()))?;
    rows.collect()
}

/// Where these subscriptions are, for an owner of this epoch.
fn places(
    connection: &Connection,
    names: &Vec<&String>,
    epoch: u64,
) -> rusqlite::Result<HashMap<String, Claimed>> {
    let select = "SELECT name, generation, clean, low_water, finished, paused \
         FROM kairo_subscription \
         WHERE name IN (SELECT value FROM json_each(?1))";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([Json(names)], |row| {
        let claimed = Claimed {
            partitions: Partitions::WHOLE,
            epoch,
            generation: row.get(1)?,
            unclean: !row.get::<_, bool>(2)?,
            paused: row.get(5)?,
            checkpoint: checkpoint(row, 3)?,
            parked: Vec::new(),
            letters: Vec::new(),
        };
        Ok((text(row, 0)?.into_owned(), claimed))
    })?;
    rows.collect()
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
    name: &str,
    start: StartAt,
    epoch: u64,
) -> rusqlite::Result<()> {
    let low_water = match start {
        StartAt::Now => concat!("SELECT ", newest!()),
        StartAt::Beginning => "SELECT 0",
    };
    let insert = format!(
        "INSERT INTO kairo_subscription \
         (name, generation, epoch, clean, low_water, finished) \
         VALUES (?1, ?2, 0, 1, ({low_water}), x'')"
    );
    connection.prepare_cached(&insert)?.execute(params![name, generation(epoch)]).map(drop)
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<SubscriptionRow>> {
    let select = "SELECT name, generation, low_water, epoch, paused, \
         (SELECT count(*) FROM kairo_parked AS p WHERE p.subscription = s.name), \
         (SELECT count(*) FROM kairo_dead_letter AS l WHERE l.subscription = s.name) \
         FROM kairo_subscription AS s ORDER BY name";
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
