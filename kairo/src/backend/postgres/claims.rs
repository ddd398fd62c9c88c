//! Claiming subscriptions: all that one owner asks for, in one transaction.

use std::collections::{HashMap, HashSet};

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    Change,
    connections::answered,
    deliveries::number,
    failure::Trouble,
    letters,
    members::is_alive,
    rows::{count, firsts, small},
    shares::{self, read_parked, read_share, share_columns},
    tables::Tables,
};
use crate::{
    backend::shares::{Held, take},
    delivery::{Checkpoint, Claim, Claimed, Partitions, partition::PARTITIONS_MAX},
    error::Result,
    handler::entry::StartAt,
    store::Position,
};

const INSERT_NEW: &str = "INSERT INTO {s}kairo_subscription (name, generation, partitions) \
     SELECT name, 0, $2 FROM unnest($1::text[]) AS w (name) ORDER BY name \
     ON CONFLICT (name) DO NOTHING";

const LOCK: &str = "SELECT name, generation, partitions, paused FROM {s}kairo_subscription \
     WHERE name = ANY($1) ORDER BY name FOR UPDATE";

const SHARES: &str = concat!(
    "SELECT ",
    share_columns!(),
    " FROM {s}kairo_share WHERE subscription = ANY($1) ORDER BY subscription, epoch FOR UPDATE"
);

const NEXT_EPOCH: &str = "SELECT nextval('{s}kairo_claim')";

const ALIVE: &str = concat!("SELECT id FROM {s}kairo_member WHERE ", is_alive!());

const NAME_GENERATION: &str =
    "UPDATE {s}kairo_subscription SET generation = $2 WHERE name = ANY($1) AND generation = 0";

/// How many epochs one step of the sequence is worth: more than a claim can use.
const EPOCHS: u64 = 100;

const _: () =
    assert!((PARTITIONS_MAX as u64) + 2 <= EPOCHS, "each partition, the claim, a new one");

/// What one owner asks for.
pub(super) struct Claiming<'a> {
    pub(super) owner: Uuid,
    pub(super) claims: &'a [Claim],
    /// Where those begin that are new and want only what is to come.
    pub(super) head: Position,
    /// How many partitions they get.
    pub(super) partitions: u32,
}

impl Change for Claiming<'_> {
    type Done = Vec<Option<Claimed>>;

    /// Takes subscriptions over, one after the other as far as anybody can see.
    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<Vec<Option<Claimed>>, Trouble> {
        let (mut claimed, mut rest) = (Vec::with_capacity(self.claims.len()), self.claims);
        while !rest.is_empty() {
            let (apart, later) = rest.split_at(apart(rest));
            claimed.extend(self.claim_apart(connection, tables, apart).await?);
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

impl Claiming<'_> {
    async fn claim_apart(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        claims: &[Claim],
    ) -> Result<Vec<Option<Claimed>>, Trouble> {
        for claim in claims {
            if let Some(old) = &claim.renamed_from {
                rename(connection, tables, old, &claim.subscription).await?;
            }
        }
        let names: Vec<&str> = claims.iter().map(|claim| claim.subscription.as_str()).collect();
        let insert = tables.query(INSERT_NEW).bind(&names).bind(self.partitions.cast_signed());
        answered(insert.execute(&mut *connection)).await?;
        let mut known = Known::lock(connection, tables, &names).await?;
        let mut claimed = Vec::with_capacity(claims.len());
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for claim in claims {
            let name = claim.subscription.as_str();
            let held = known.held.get_mut(name).ok_or(sqlx::Error::RowNotFound)?;
            let before: HashSet<u64> = held.shares.iter().map(|share| share.epoch).collect();
            claimed.push(self.take(claim, held, known.first_epoch, &known.alive)?);
            let after: HashSet<u64> = held.shares.iter().map(|share| share.epoch).collect();
            gone.extend(before.difference(&after).map(|epoch| (name, *epoch)));
            new.extend(after.difference(&before).map(|epoch| (name, *epoch)));
        }
        let new: HashSet<(&str, u64)> = new.into_iter().collect();
        let new: Vec<(&str, &Held)> = (known.held.iter())
            .flat_map(|(name, held)| held.shares.iter().map(|share| (name.as_str(), share)))
            .filter(|(name, share)| new.contains(&(*name, share.epoch)))
            .collect();
        shares::delete(connection, tables, &gone).await?;
        shares::insert(connection, tables, &new).await?;
        let generation = i64::from(generation(known.first_epoch));
        let update = tables.query(NAME_GENERATION).bind(&names).bind(generation);
        answered(update.execute(&mut *connection)).await?;
        burden(connection, tables, &names, &mut claimed).await?;
        Ok(claimed)
    }

    /// Takes partitions of one subscription, as the shares then are.
    fn take(
        &self,
        claim: &Claim,
        held: &mut Subscription,
        first_epoch: u64,
        alive: &HashSet<Uuid>,
    ) -> Result<Option<Claimed>> {
        let mut epoch = first_epoch;
        if held.shares.is_empty() {
            let low_water = match claim.start {
                StartAt::Now => self.head,
                StartAt::Beginning => Position::START,
            };
            let all = Partitions::all(held.partitions)?;
            held.shares.push(Held::free(all, first_epoch, Checkpoint::at(low_water)));
        }
        let is_free =
            |share: &Held| share.owner.is_none_or(|it| it == self.owner || !alive.contains(&it));
        let next_epoch = || {
            epoch += 1;
            epoch
        };
        let share = take(&mut held.shares, self.owner, claim.partitions_max, is_free, next_epoch);
        let Some(share) = share else { return Ok(None) };
        for known in held.shares.iter_mut().filter(|known| known.epoch == share.epoch) {
            known.clean = false;
        }
        Ok(Some(Claimed {
            partitions: share.partitions,
            epoch: share.epoch,
            generation: held.generation.unwrap_or_else(|| generation(first_epoch)),
            unclean: !share.clean,
            paused: held.paused,
            checkpoint: share.checkpoint,
            parked: Vec::new(),
            letters: Vec::new(),
        }))
    }
}

/// The generation of a new subscription is its first epoch, which no earlier one of its name had:
/// what that one has published is not taken for what this one publishes.
pub(super) fn generation(epoch: u64) -> u32 {
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

/// A subscription in the transaction that claims it.
pub(super) struct Subscription {
    /// `None` when it is new.
    pub(super) generation: Option<u32>,
    pub(super) partitions: u32,
    paused: bool,
    pub(super) shares: Vec<Held>,
}

/// Subscriptions that nobody else claims or advances until the transaction ends.
pub(super) struct Known {
    pub(super) held: HashMap<String, Subscription>,
    alive: HashSet<Uuid>,
    /// This epoch and those behind it, [`EPOCHS`] in all, are this transaction's own.
    pub(super) first_epoch: u64,
}

impl Known {
    pub(super) async fn lock(
        connection: &mut PgConnection,
        tables: &Tables,
        names: &[&str],
    ) -> sqlx::Result<Self> {
        let mut held = HashMap::new();
        let lock = tables.query(LOCK).bind(names);
        for row in answered(lock.fetch_all(&mut *connection)).await? {
            let generation = Some(small(&row, 1)?).filter(|generation| 0 < *generation);
            let (partitions, paused) = (number(&row, 2)?, row.try_get(3)?);
            let subscription = Subscription { generation, partitions, paused, shares: Vec::new() };
            held.insert(row.try_get(0)?, subscription);
        }
        let shares = tables.query(SHARES).bind(names);
        for row in answered(shares.fetch_all(&mut *connection)).await? {
            if let Some(subscription) = held.get_mut(row.try_get::<&str, _>(0)?) {
                subscription.shares.push(read_share(&row, 0, subscription.partitions)?);
            }
        }
        let alive = answered(tables.query(ALIVE).fetch_all(&mut *connection)).await?;
        let alive = firsts(&alive)?.into_iter().collect();
        // After everything is locked, so that a later claim has higher epochs.
        let epoch = answered(tables.query(NEXT_EPOCH).fetch_one(&mut *connection)).await?;
        Ok(Self { held, alive, first_epoch: count(&epoch, 0)? })
    }
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
        "UPDATE {s}kairo_share SET subscription = $2 WHERE subscription = $1",
        "UPDATE {s}kairo_parked SET subscription = $2 WHERE subscription = $1",
        "UPDATE {s}kairo_failure SET subscription = $2 WHERE subscription = $1",
        "UPDATE {s}kairo_dead_letter SET subscription = $2 WHERE subscription = $1",
        "UPDATE {s}kairo_mark SET subscription = $2 WHERE subscription = $1",
    ] {
        let update = tables.query(update).bind(old).bind(new);
        answered(update.execute(&mut *connection)).await?;
    }
    Ok(())
}

/// Adds what the claimed partitions have parked, and the letters that concern them.
async fn burden(
    connection: &mut PgConnection,
    tables: &Tables,
    names: &[&str],
    claimed: &mut [Option<Claimed>],
) -> sqlx::Result<()> {
    let mut places: HashMap<&str, &mut Claimed> = (names.iter().copied().zip(claimed))
        .filter_map(|(name, claimed)| Some((name, claimed.as_mut()?)))
        .collect();
    let parked = tables.query(shares::PARKED).bind(names);
    for row in answered(parked.fetch_all(&mut *connection)).await? {
        let parked = read_parked(&row)?;
        if let Some(claimed) = places.get_mut(row.try_get::<&str, _>(0)?)
            && claimed.partitions.have(&parked.key)
        {
            claimed.parked.push(parked);
        }
    }
    for letter in letters::pending(connection, tables, names).await? {
        if let Some(claimed) = places.get_mut(letter.subscription.as_str())
            && claimed.partitions.have(letter.original.stream.as_str())
        {
            claimed.letters.push(letter);
        }
    }
    Ok(())
}
