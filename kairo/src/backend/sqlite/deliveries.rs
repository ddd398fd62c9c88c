//! Subscriptions: their claims, places and parked events.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    SqliteStore,
    commit::Syncing,
    letters,
    places::{pack, unpack},
    rows::{Count, Json, Names, Place, Time, list, malformed, text},
};
use crate::{
    backend::plan::check_claims,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, Parked, ParkedState, Progress, SubscriptionRow,
    },
    error::Result,
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

impl Deliveries for SqliteStore {
    fn claim(&self, claims: Vec<Claim>) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            // A claim that a loss of power takes is one under which nothing durable was done.
            let claim = move |connection: &Connection| claim_all(connection, &claims);
            self.write("claiming subscriptions of", Syncing::Later, claim).await
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
}

/// Takes subscriptions over, one after the other, all of them under one new epoch.
fn claim_all(connection: &Connection, claims: &[Claim]) -> rusqlite::Result<Vec<Claimed>> {
    let next = "UPDATE kairo_value SET value = value + 1 WHERE name = 'epoch' RETURNING value";
    let Count(epoch) = connection.query_row(next, [], |row| row.get(0))?;
    let head = "SELECT coalesce(max(sequence), 0) FROM kairo_event";
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
            claimed.letters = letters::pending(connection, name, &mut Names::default())?;
        }
        Ok(claimed)
    };
    claims.iter().map(claim).collect()
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
    let select = "SELECT generation, clean, low_water, finished FROM kairo_subscription \
         WHERE name = ?1";
    let claimed = |row: &Row<'_>| {
        Ok(Claimed {
            epoch,
            generation: row.get(0)?,
            unclean: !row.get::<_, bool>(1)?,
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

/// The generation of a new subscription is its first epoch, which no earlier one of its name had:
/// what that one has published is not taken for what this one publishes.
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
    let generation = u32::try_from(epoch).unwrap_or(u32::MAX);
    let insert = "INSERT INTO kairo_subscription \
         (name, generation, epoch, clean, low_water, finished) VALUES (?1, ?2, ?3, 0, ?4, x'')";
    connection.prepare_cached(insert)?.execute(params![
        request.subscription,
        generation,
        Count(epoch),
        Place(low_water)
    ])?;
    let checkpoint = Checkpoint { low_water, finished: Vec::new() };
    let (parked, letters) = (Vec::new(), Vec::new());
    Ok(Claimed { epoch, generation, unclean: false, checkpoint, parked, letters })
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<SubscriptionRow>> {
    // Counting for each subscription by itself would be much of a start.
    let select = "SELECT name, generation, low_water, coalesce(p.count, 0), coalesce(l.count, 0) \
         FROM kairo_subscription \
         LEFT JOIN (SELECT subscription, count(*) AS count FROM kairo_parked \
             GROUP BY subscription) AS p ON p.subscription = name \
         LEFT JOIN (SELECT subscription, count(*) AS count FROM kairo_dead_letter \
             GROUP BY subscription) AS l ON l.subscription = name \
         ORDER BY name";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([], |row| {
        Ok(SubscriptionRow {
            subscription: text(row, 0)?.into_owned(),
            generation: row.get(1)?,
            low_water: row.get::<_, Place>(2)?.0,
            parked: row.get::<_, Count>(3)?.0,
            letters: row.get::<_, Count>(4)?.0,
        })
    })?;
    rows.collect()
}

fn checkpoint(row: &Row<'_>, first: usize) -> rusqlite::Result<Checkpoint> {
    let Place(low_water) = row.get(first)?;
    let packed = row.get_ref(first + 1)?.as_blob()?;
    let finished = unpack(low_water.sequence, packed)
        .ok_or_else(|| malformed(first + 1, "these are no ascending places"))?;
    let finished = finished.into_iter().map(Position::at_sequence).collect();
    Ok(Checkpoint { low_water, finished })
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
            state: parked_state(row)?,
            attempts: row.get(5)?,
            failures: row.get::<_, Option<Json<_>>>(6)?.map(|Json(list)| list).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

fn parked_state(row: &Row<'_>) -> rusqlite::Result<ParkedState> {
    Ok(match &*text(row, 2)? {
        "retry" => ParkedState::Retry { due: row.get::<_, Time>(3)?.0 },
        "behind" => ParkedState::Behind,
        "newer" => ParkedState::Newer,
        "alone" => ParkedState::Alone { crashes: row.get(4)? },
        other => return Err(malformed(2, format!("`{other}` is no state of a parked event"))),
    })
}
