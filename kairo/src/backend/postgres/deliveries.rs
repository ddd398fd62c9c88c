//! Subscriptions: their claims, places and parked events.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    Change, PostgresStore,
    connections::{Connections, answered},
    failure::Trouble,
    letters,
    places::{pack, unpack},
    rows::{bind_place, count, firsts, from_json, int, list, malformed, place, small, time},
    tables::{Statement, Tables},
};
use crate::{
    backend::plan::check_claims,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, Parked, ParkedState, Progress, SubscriptionRow,
    },
    error::{Error, Result},
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

const RELEASE: &str =
    "UPDATE {s}kairo_subscription SET clean = true WHERE name = $1 AND epoch = $2";

const ROWS: &str = "SELECT s.name, s.generation, s.low_epoch, s.low_order, s.low_sequence, \
     (SELECT count(*) FROM {s}kairo_parked AS p WHERE p.subscription = s.name), \
     (SELECT count(*) FROM {s}kairo_dead_letter AS l WHERE l.subscription = s.name) \
     FROM {s}kairo_subscription AS s ORDER BY s.name";

/// Those that are new; which claim is their first says the update that follows.
const INSERT_NEW: &str = "INSERT INTO {s}kairo_subscription \
     (name, generation, epoch, clean, low_epoch, low_order, low_sequence, finished) \
     SELECT name, 0, 0, true, a, b, c, ''::bytea \
     FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS w (name, a, b, c) \
     ORDER BY name ON CONFLICT (name) DO NOTHING";

const PLACES: &str = "SELECT name, clean, low_epoch, low_order, low_sequence, finished \
     FROM {s}kairo_subscription WHERE name = ANY($1) ORDER BY name FOR UPDATE";

/// The generation of a new subscription is its first epoch, which no earlier one of its name had:
/// what that one has published is not taken for what this one publishes.
const TAKE: &str = "UPDATE {s}kairo_subscription AS s SET epoch = n.epoch, clean = false, \
     generation = CASE s.generation WHEN 0 THEN least(n.epoch, 4294967295) ELSE s.generation END \
     FROM (SELECT nextval('{s}kairo_claim') AS epoch) AS n \
     WHERE s.name = ANY($1) RETURNING s.name, s.epoch, s.generation";

const PARKED: &str = "SELECT subscription, epoch, order_id, sequence, key, state, due, crashes, \
     attempts, failures FROM {s}kairo_parked WHERE subscription = ANY($1) \
     ORDER BY subscription, epoch, order_id, sequence";

/// A subscription's new place, and nothing else if it has been claimed by somebody else.
const ADVANCE: &str = "UPDATE {s}kairo_subscription \
     SET low_epoch = $3, low_order = $4, low_sequence = $5, finished = $6 \
     WHERE name = $1 AND epoch = $2 RETURNING 1";

/// The same, with parked events.
const ADVANCE_PARKED: &str = "WITH held AS (UPDATE {s}kairo_subscription \
     SET low_epoch = $3, low_order = $4, low_sequence = $5, finished = $6 \
     WHERE name = $1 AND epoch = $2 RETURNING 1), \
     gone AS (DELETE FROM {s}kairo_parked AS p USING held, \
      unnest($7::integer[], $8::bigint[], $9::bigint[]) AS w (a, b, c) \
      WHERE p.subscription = $1 AND p.epoch = a AND p.order_id = b AND p.sequence = c), \
     put AS (INSERT INTO {s}kairo_parked (subscription, epoch, order_id, sequence, key, state, \
      due, crashes, attempts, failures) SELECT $1, w.* FROM held, \
      unnest($10::integer[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], \
      $15::bigint[], $16::bigint[], $17::bigint[], $18::text[]) AS w \
      ON CONFLICT (subscription, epoch, order_id, sequence) DO UPDATE SET key = excluded.key, \
      state = excluded.state, due = excluded.due, crashes = excluded.crashes, \
      attempts = excluded.attempts, failures = excluded.failures) \
     SELECT 1 FROM held";

impl Deliveries for PostgresStore {
    fn claim(&self, claims: Vec<Claim>) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            // Read before anything is locked: an event that is appended later lies behind it.
            let head = self.settled_head().await?;
            let claiming = Claiming { claims: &claims, head };
            self.shared.transact("claiming subscriptions of", &claiming).await
        })
    }

    fn release(&self, subscription: String, epoch: u64) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let statement =
                || self.shared.tables.query(RELEASE).bind(&subscription).bind(int(epoch));
            self.shared.pool.fetch("releasing a subscription of", statement).await.map(drop)
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async move {
            let statement = || self.shared.tables.query(ROWS);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let rows: sqlx::Result<_> = rows.iter().map(subscription_row).collect();
            rows.map_err(|error| self.unreadable(error))
        })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let removing = Removing(&subscription);
            self.shared.transact("removing a subscription of", &removing).await
        })
    }
}

fn subscription_row(row: &PgRow) -> sqlx::Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        subscription: row.try_get(0)?,
        generation: small(row, 1)?,
        low_water: place(row, 2)?,
        parked: count(row, 5)?,
        letters: count(row, 6)?,
    })
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
        let delete = "DELETE FROM {s}kairo_subscription WHERE name = $1";
        let delete = tables.query(delete).bind(self.0);
        let removed = answered(delete.execute(&mut *connection)).await?.rows_affected();
        // After the other one: its owner may have parked something until then.
        let delete = "DELETE FROM {s}kairo_parked WHERE subscription = $1";
        answered(tables.query(delete).bind(self.0).execute(&mut *connection)).await?;
        Ok(0 < removed)
    }
}

struct Claiming<'a> {
    claims: &'a [Claim],
    /// Where those begin that are new and want only what is to come.
    head: Position,
}

impl Change for Claiming<'_> {
    type Done = Vec<Claimed>;

    /// Takes subscriptions over, one after the other as far as anybody can see.
    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<Vec<Claimed>, Trouble> {
        let (mut claimed, mut rest) = (Vec::with_capacity(self.claims.len()), self.claims);
        while !rest.is_empty() {
            let (apart, later) = rest.split_at(apart(rest));
            claimed.extend(claim_apart(connection, tables, apart, self.head).await?);
            rest = later;
        }
        Ok(claimed)
    }
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
async fn claim_apart(
    connection: &mut PgConnection,
    tables: &Tables,
    claims: &[Claim],
    head: Position,
) -> sqlx::Result<Vec<Claimed>> {
    for claim in claims {
        if let Some(old) = &claim.renamed_from {
            rename(connection, tables, old, &claim.subscription).await?;
        }
    }
    let insert = insert_new(tables.query(INSERT_NEW), claims, head);
    answered(insert.execute(&mut *connection)).await?;
    let names: Vec<&str> = claims.iter().map(|claim| claim.subscription.as_str()).collect();
    let rows = tables.query(PLACES).bind(&names);
    let mut held = HashMap::new();
    for row in answered(rows.fetch_all(&mut *connection)).await? {
        held.insert(
            row.try_get::<String, _>(0)?,
            (row.try_get::<bool, _>(1)?, checkpoint(&row, 2)?),
        );
    }
    let mut taken: HashMap<String, Claimed> = HashMap::new();
    let take = tables.query(TAKE).bind(&names);
    for row in answered(take.fetch_all(&mut *connection)).await? {
        let name: String = row.try_get(0)?;
        let (clean, checkpoint) = held.remove(&name).ok_or(sqlx::Error::RowNotFound)?;
        let (epoch, generation, unclean) = (count(&row, 1)?, small(&row, 2)?, !clean);
        let (parked, letters) = (Vec::new(), Vec::new());
        let claimed = Claimed { epoch, generation, unclean, checkpoint, parked, letters };
        taken.insert(name, claimed);
    }
    burden(connection, tables, &names, &mut taken).await?;
    let claimed = names.iter().map(|name| taken.remove(*name));
    claimed.map(|claimed| claimed.ok_or(sqlx::Error::RowNotFound)).collect()
}

/// Moves a subscription and its letters to another name, unless there is one already.
async fn rename(
    connection: &mut PgConnection,
    tables: &Tables,
    old: &str,
    new: &str,
) -> sqlx::Result<()> {
    let update = "UPDATE {s}kairo_subscription SET name = $2 WHERE name = $1 \
         AND NOT EXISTS (SELECT FROM {s}kairo_subscription WHERE name = $2)";
    let update = tables.query(update).bind(old).bind(new);
    if answered(update.execute(&mut *connection)).await?.rows_affected() == 0 {
        return Ok(());
    }
    for update in [
        "UPDATE {s}kairo_parked SET subscription = $2 WHERE subscription = $1",
        "UPDATE {s}kairo_dead_letter SET subscription = $2 WHERE subscription = $1",
    ] {
        let update = tables.query(update).bind(old).bind(new);
        answered(update.execute(&mut *connection)).await?;
    }
    Ok(())
}

fn insert_new(statement: Statement, claims: &[Claim], head: Position) -> Statement {
    let names: Vec<&str> = claims.iter().map(|claim| claim.subscription.as_str()).collect();
    let places: Vec<_> = (claims.iter())
        .map(|claim| match claim.start {
            StartAt::Now => head,
            StartAt::Beginning => Position::START,
        })
        .collect();
    bind_places(statement.bind(names), &places)
}

/// Binds places to three lists.
fn bind_places<'a>(
    statement: Statement,
    places: impl IntoIterator<Item = &'a Position> + Clone,
) -> Statement {
    let epoch = |place: &Position| i32::try_from(place.epoch).unwrap_or(i32::MAX);
    let epochs: Vec<_> = places.clone().into_iter().map(epoch).collect();
    let orders: Vec<_> = places.clone().into_iter().map(|place| int(place.order)).collect();
    let sequences: Vec<_> = places.into_iter().map(|place| int(place.sequence)).collect();
    statement.bind(epochs).bind(orders).bind(sequences)
}

/// Adds what subscriptions have parked, and the letters that concern their claims.
async fn burden(
    connection: &mut PgConnection,
    tables: &Tables,
    names: &[&str],
    taken: &mut HashMap<String, Claimed>,
) -> sqlx::Result<()> {
    let parked = tables.query(PARKED).bind(names);
    for row in answered(parked.fetch_all(&mut *connection)).await? {
        if let Some(claimed) = taken.get_mut(row.try_get::<&str, _>(0)?) {
            claimed.parked.push(read_parked(&row)?);
        }
    }
    for letter in letters::pending(connection, tables, names).await? {
        if let Some(claimed) = taken.get_mut(&letter.subscription) {
            claimed.letters.push(letter);
        }
    }
    Ok(())
}

fn checkpoint(row: &PgRow, first: usize) -> sqlx::Result<Checkpoint> {
    let low_water = place(row, first)?;
    let finished = unpack(low_water, row.try_get(first + 3)?)
        .ok_or_else(|| malformed(first + 3, "these are no ascending places"))?;
    Ok(Checkpoint { low_water, finished })
}

fn read_parked(row: &PgRow) -> sqlx::Result<Parked> {
    let missing = || malformed(5, "what its state needs is missing");
    Ok(Parked {
        position: place(row, 1)?,
        key: row.try_get(4)?,
        state: match row.try_get(5)? {
            "retry" => ParkedState::Retry { due: time(row, 6)?.ok_or_else(missing)? },
            "behind" => ParkedState::Behind,
            "newer" => ParkedState::Newer,
            "alone" => ParkedState::Alone { crashes: small(row, 7)? },
            other => {
                return Err(malformed(5, format!("`{other}` is no state of a parked event")));
            }
        },
        attempts: small(row, 8)?,
        failures: from_json(row, 9)?.unwrap_or_default(),
    })
}

/// Takes over what was achieved, in a transaction in which the epoch has been checked.
pub(super) async fn advance(
    connection: &mut PgConnection,
    tables: &Tables,
    progress: &Progress,
) -> sqlx::Result<()> {
    answered(statement(tables, progress).execute(connection)).await.map(drop)
}

/// Takes over what was achieved, as a whole or not at all.
///
/// # Errors
/// [`Error::Fenced`] when somebody else has claimed the subscription.
pub(super) async fn advance_alone(
    pool: &Connections,
    tables: &Tables,
    progress: &Progress,
) -> Result {
    let rows = pool.fetch("writing to", || statement(tables, progress)).await?;
    if firsts::<i32>(&rows).is_ok_and(|held| held.is_empty()) {
        return Err(Error::Fenced { subscription: progress.subscription.clone() });
    }
    Ok(())
}

fn statement(tables: &Tables, progress: &Progress) -> Statement {
    let Progress { subscription, epoch, checkpoint, park, unpark, .. } = progress;
    let is_plain = park.is_empty() && unpark.is_empty();
    let text = if is_plain { ADVANCE } else { ADVANCE_PARKED };
    let statement = tables.query(text).bind(subscription).bind(int(*epoch));
    let statement = bind_place(statement, checkpoint.low_water)
        .bind(pack(checkpoint.low_water, &checkpoint.finished));
    if is_plain {
        return statement;
    }
    // Of several rows for a place the last one counts, and one that goes away is not made.
    let mut rows: BTreeMap<Position, &Parked> =
        park.iter().map(|parked| (parked.position, parked)).collect();
    rows.retain(|position, _| !unpark.contains(position));
    bind_parked(bind_places(statement, unpark), &rows)
}

fn bind_parked(statement: Statement, rows: &BTreeMap<Position, &Parked>) -> Statement {
    let statement = bind_places(statement, rows.keys());
    let rows = || rows.values();
    let state = |parked: &&Parked| match parked.state {
        ParkedState::Retry { .. } => "retry",
        ParkedState::Behind => "behind",
        ParkedState::Newer => "newer",
        ParkedState::Alone { .. } => "alone",
    };
    let due = |parked: &&Parked| match parked.state {
        ParkedState::Retry { due } => Some(due.as_microsecond()),
        _ => None,
    };
    let crashes = |parked: &&Parked| match parked.state {
        ParkedState::Alone { crashes } => Some(i64::from(crashes)),
        _ => None,
    };
    statement
        .bind(rows().map(|parked| parked.key.as_str()).collect::<Vec<_>>())
        .bind(rows().map(state).collect::<Vec<_>>())
        .bind(rows().map(due).collect::<Vec<_>>())
        .bind(rows().map(crashes).collect::<Vec<_>>())
        .bind(rows().map(|parked| i64::from(parked.attempts)).collect::<Vec<_>>())
        .bind(rows().map(|parked| list(&parked.failures)).collect::<Vec<_>>())
}
