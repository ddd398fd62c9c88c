//! Subscriptions: claiming them and giving them back, and what is known about them.

use redis::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    RedisStore,
    changes::{Draft, Holding, read_alive},
    letters::is_of,
    places::{Place, unpack_parked},
    rows::{Read, bytes_if_any, list, number, parts, text},
    scripts, steering,
};
use crate::{
    backend::{
        plan::check_claims,
        shares::{Held, has_passed, take},
    },
    clock::Timestamp,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, Fate, MarkKey, Partitions, Share, Steer,
        SubscriptionRow,
    },
    error::Result,
    event::name::StreamName,
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

impl Deliveries for RedisStore {
    fn claim(
        &self,
        owner: Uuid,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Claimed>>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            let (mut claimed, mut rest) = (Vec::with_capacity(claims.len()), claims.as_slice());
            while !rest.is_empty() {
                let (apart, later) = rest.split_at(apart(rest));
                claimed.extend(self.claim_apart(owner, apart).await?);
                rest = later;
            }
            Ok(claimed)
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            self.write("releasing subscriptions of", &scripts::RELEASE, &turn, |command| {
                command.arg(claims.len());
                for (subscription, epoch) in &claims {
                    command.arg(subscription).arg(*epoch);
                }
            })
            .await?;
            self.signal.raise_others();
            Ok(())
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async {
            let found = self.read(&scripts::SUBSCRIPTIONS, |_| {}).await?;
            let mut rows = self.understood(read_rows(found))?;
            rows.sort_unstable_by(|a, b| a.subscription.cmp(&b.subscription));
            Ok(rows)
        })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            let removed = self
                .write("removing a subscription of", &scripts::REMOVE, &turn, |command| {
                    command.arg(&subscription);
                })
                .await?;
            self.signal.raise_others();
            self.understood(text(removed).map(|removed| removed == "removed"))
        })
    }

    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result> {
        Box::pin(self.steer_subscription(subscription, steer))
    }

    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>> {
        Box::pin(async move {
            let found = self
                .read(&scripts::FATE, |command| {
                    command.arg(subscription).arg(position.to_string());
                })
                .await?;
            self.understood(read_fate(found, stream.as_str(), position))
        })
    }

    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.has_mark(key))
    }

    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.delete_marks(before, limit))
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.signal.others()
    }
}

/// How many claims at the front have nothing to do with each other; at least one.
fn apart(claims: &[Claim]) -> usize {
    let mut names = Vec::new();
    let meets_another = |claim: &Claim| {
        let old = claim.renamed_from.as_ref();
        let meets =
            names.contains(&claim.subscription) || old.is_some_and(|old| names.contains(old));
        names.push(claim.subscription.clone());
        names.extend(old.cloned());
        meets
    };
    claims.iter().position(meets_another).unwrap_or(claims.len())
}

impl RedisStore {
    /// Claims subscriptions that have nothing to do with each other, all at once.
    async fn claim_apart(&self, owner: Uuid, claims: &[Claim]) -> Result<Vec<Option<Claimed>>> {
        let old = claims.iter().filter_map(|claim| claim.renamed_from.as_deref());
        let names: Vec<_> =
            claims.iter().map(|claim| claim.subscription.as_str()).chain(old).collect();
        let plan = |draft: &mut Draft| {
            let count = self.partitions;
            let plan = |claim| plan_claim(draft, owner, claim, count);
            claims.iter().map(plan).collect::<Result<Vec<_>>>()
        };
        let action = "claiming subscriptions of";
        let (shares, mut holdings) = self.change(action, &names, plan).await?;
        let claimed = claims.iter().zip(shares).map(|(claim, share)| {
            let (place, share) = share?;
            let held = holdings.iter().position(|(name, _)| *name == claim.subscription)?;
            Some(claimed(&place, share, holdings.swap_remove(held).1))
        });
        Ok(claimed.collect())
    }
}

/// The subscription with its new share, which is free or was the owner's before; one that is new
/// gets `count` partitions.
fn plan_claim(
    draft: &mut Draft,
    owner: Uuid,
    claim: &Claim,
    count: u32,
) -> Result<Option<(Place, Held)>> {
    let name = claim.subscription.as_str();
    if let Some(old) = &claim.renamed_from
        && draft.place(name).is_none()
    {
        draft.rename(old, name);
    }
    let mut place = match draft.place(name) {
        Some(place) => place.clone(),
        None => begin(draft, claim.start, count)?,
    };
    let alive = draft.alive.clone();
    let is_free =
        |share: &Held| !share.owner.is_some_and(|other| owner != other && alive.contains(&other));
    let most = claim.partitions_max;
    let share = take(&mut place.shares, owner, most, is_free, || draft.next_epoch());
    let clean = share.as_ref().is_none_or(|share| share.clean);
    for taken in &mut place.shares {
        if share.as_ref().is_some_and(|share| share.epoch == taken.epoch) {
            taken.clean = false;
        }
    }
    draft.set(name, place.clone());
    Ok(share.map(|share| (place, Held { clean, ..share })))
}

/// A new subscription. The generation is the first epoch, which no earlier one of the name had.
fn begin(draft: &Draft, start: StartAt, count: u32) -> Result<Place> {
    let low_water = match start {
        StartAt::Now => draft.head,
        StartAt::Beginning => Position::START,
    };
    let epoch = draft.epoch + 1;
    let share = Held::free(Partitions::all(count)?, epoch, Checkpoint::at(low_water));
    let generation = steering::generation(epoch);
    Ok(Place { generation, paused: false, shares: vec![share], failure: None })
}

fn claimed(place: &Place, share: Held, holding: Holding) -> Claimed {
    let Held { partitions, epoch, clean, checkpoint, .. } = share;
    let parked = holding.parked.into_iter().filter(|parked| partitions.have(&parked.key));
    let letters = holding.letters.into_iter().filter(|letter| is_of(letter, partitions));
    Claimed {
        partitions,
        epoch,
        generation: place.generation,
        unclean: !clean,
        paused: place.paused,
        checkpoint,
        parked: parked.collect(),
        letters: letters.collect(),
    }
}

fn read_rows(found: Value) -> Read<Vec<SubscriptionRow>> {
    let [alive, rows] = parts(found)?;
    let alive = read_alive(alive)?;
    let mut read = Vec::new();
    for row in list(rows)? {
        let [name, place, parked, letters] = parts(row)?;
        let Some(place) = Place::read(place)? else { continue };
        let shares: Vec<Share> =
            place.shares.iter().map(|share| share.row(|id| alive.contains(&id))).collect();
        read.push(SubscriptionRow {
            subscription: text(name)?,
            generation: place.generation,
            paused: place.paused,
            low_water: place.low_water(),
            shares,
            parked: number(parked)?,
            letters: number(letters)?,
            failure: place.failure,
        });
    }
    Ok(read)
}

fn read_fate(found: Value, key: &str, position: Position) -> Read<Option<Fate>> {
    let [place, parked, letter] = parts(found)?;
    let Some(place) = Place::read(place)? else { return Ok(None) };
    if let Some(parked) = bytes_if_any(parked)? {
        return Ok(Some(Fate::Parked(unpack_parked(position, &parked)?.state)));
    }
    if let Some(letter) = bytes_if_any(letter)? {
        return Ok(Uuid::from_slice(&letter).ok().map(Fate::Dead));
    }
    let passed = |share: &Held| has_passed(&share.checkpoint, key, position);
    let fate = |share| if passed(share) { Fate::Done } else { Fate::Ahead };
    Ok(place.share_of(key).map(fate))
}
