//! Subscriptions: their claims, places and parked events.

use std::collections::BTreeMap;

use tokio::sync::watch;
use uuid::Uuid;

use super::{MemoryStore, State};
use crate::{
    backend::{
        plan::check_claims,
        shares::{Held, finish, has_passed, take},
    },
    clock::Timestamp,
    delivery::{
        Checkpoint, Claim, Claimed, DeadLetter, Deliveries, FailedAttempt, Fate, MarkKey, Parked,
        Partitions, Progress, Share, Steer, SubscriptionRow, partition,
    },
    error::{Error, Result},
    event::name::StreamName,
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

/// A subscription's places.
#[derive(Debug)]
pub(super) struct Subscription {
    generation: u32,
    paused: bool,
    pub(super) shares: Vec<Held>,
    pub(super) parked: BTreeMap<Position, Parked>,
    failure: Option<FailedAttempt>,
}

impl Subscription {
    /// The generation is the first epoch, which no earlier subscription of the name had.
    fn new(all: Partitions, low_water: Position, epoch: u64) -> Self {
        let shares = vec![Held::free(all, epoch, Checkpoint::at(low_water))];
        Self {
            generation: generation(epoch),
            paused: false,
            shares,
            parked: BTreeMap::new(),
            failure: None,
        }
    }

    pub(super) fn low_water(&self) -> Position {
        let places = self.shares.iter().map(|share| share.checkpoint.low_water);
        places.min().unwrap_or(Position::START)
    }

    /// Takes over what was achieved; the epoch has been checked.
    pub(super) fn advance(&mut self, progress: &Progress) {
        let share = self.shares.iter_mut().find(|share| share.epoch == progress.epoch);
        if let Some(share) = share {
            share.checkpoint = progress.checkpoint.clone();
        }
        for parked in &progress.park {
            self.parked.insert(parked.position, parked.clone());
        }
        for position in &progress.unpark {
            self.parked.remove(position);
        }
        if progress.failure.is_some() {
            self.failure.clone_from(&progress.failure);
        }
    }

    /// The share of a key's partition.
    fn share_of(&mut self, key: &str) -> Option<&mut Held> {
        self.shares.iter_mut().find(|share| share.partitions.have(key))
    }
}

fn generation(epoch: u64) -> u32 {
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

impl Deliveries for MemoryStore {
    fn claim(
        &self,
        owner: Uuid,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Claimed>>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            let (count, now) = (self.partitions(), self.clock.now());
            let claimed = self.with(|state| {
                let claim = |claim| state.claim(owner, claim, count, now);
                claims.into_iter().map(claim).collect()
            });
            let claimed = claimed.await?;
            self.tell_others();
            Ok(claimed)
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| {
                for (subscription, epoch) in &claims {
                    let held = state.subscriptions.get_mut(subscription);
                    let shares = held.map(|held| held.shares.iter_mut()).into_iter().flatten();
                    for share in shares.filter(|share| share.epoch == *epoch) {
                        (share.clean, share.owner) = (true, None);
                    }
                }
                Ok(())
            })
            .await?;
            self.tell_others();
            Ok(())
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async {
            let now = self.clock.now();
            self.with(|state| Ok(state.rows(now))).await
        })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let removed = self.with(|state| Ok(state.remove_subscription(&subscription)));
            let removed = removed.await?;
            self.tell_others();
            Ok(removed)
        })
    }

    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| state.steer(&subscription, steer)).await?;
            self.tell_others();
            Ok(())
        })
    }

    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>> {
        Box::pin(async move {
            self.with(|state| Ok(state.fate(subscription, stream.as_str(), position))).await
        })
    }

    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.with(|state| Ok(state.marks.contains_key(key))).await })
    }

    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move { self.with(|state| Ok(state.prune_marks(before, limit))).await })
    }

    fn partitions(&self) -> u32 {
        if self.shared { partition::PARTITIONS } else { 1 }
    }

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.others.subscribe()
    }
}

impl State {
    fn claim(
        &mut self,
        owner: Uuid,
        claim: Claim,
        count: u32,
        now: Timestamp,
    ) -> Result<Option<Claimed>> {
        let Claim { subscription: name, start, renamed_from, partitions_max } = claim;
        if let Some(old) = renamed_from
            && !self.subscriptions.contains_key(&name)
        {
            self.rename(&old, &name);
        }
        let all = Partitions::all(count)?;
        if !self.subscriptions.contains_key(&name) {
            let low_water = match start {
                StartAt::Now => self.head(),
                StartAt::Beginning => Position::START,
            };
            let new = Subscription::new(all, low_water, self.epoch + 1);
            self.subscriptions.insert(name.clone(), new);
        }
        let Some(mut held) = self.subscriptions.remove(&name) else { return Ok(None) };
        let is_free = |share: &Held| {
            let is_held = |other| owner != other && self.is_alive(other, now);
            all == Partitions::WHOLE || !share.owner.is_some_and(is_held)
        };
        let mut epoch = self.epoch;
        let next_epoch = || {
            epoch += 1;
            epoch
        };
        let share = take(&mut held.shares, owner, partitions_max, is_free, next_epoch);
        self.epoch = epoch;
        let claimed = share.map(|share| self.claimed(&name, &mut held, share));
        self.subscriptions.insert(name, held);
        Ok(claimed)
    }

    fn claimed(&self, name: &str, held: &mut Subscription, share: Held) -> Claimed {
        for known in held.shares.iter_mut().filter(|known| known.epoch == share.epoch) {
            known.clean = false;
        }
        let is_ours = |parked: &&Parked| share.partitions.have(&parked.key);
        Claimed {
            partitions: share.partitions,
            epoch: share.epoch,
            generation: held.generation,
            unclean: !share.clean,
            paused: held.paused,
            checkpoint: share.checkpoint,
            parked: held.parked.values().filter(is_ours).cloned().collect(),
            letters: self.pending_letters(name, share.partitions),
        }
    }

    /// Removes a subscription with its marks; whether there was one.
    fn remove_subscription(&mut self, name: &str) -> bool {
        self.take_marks(name);
        self.subscriptions.remove(name).is_some()
    }

    /// Moves a subscription and its letters to another name.
    fn rename(&mut self, old: &str, new: &str) {
        let Some(held) = self.subscriptions.remove(old) else { return };
        self.subscriptions.insert(new.to_owned(), held);
        self.rename_marks(old, new);
        for letter in self.letters.values_mut().filter(|letter| letter.subscription == old) {
            new.clone_into(&mut letter.subscription);
        }
    }

    fn pending_letters(&self, subscription: &str, partitions: Partitions) -> Vec<DeadLetter> {
        let pending = |letter: &&DeadLetter| {
            letter.subscription == subscription
                && letter.is_pending()
                && partitions.have(letter.original.stream.as_str())
        };
        self.letters_by_age().filter(pending).cloned().collect()
    }

    fn rows(&self, now: Timestamp) -> Vec<SubscriptionRow> {
        let row = |(name, held): (&String, &Subscription)| SubscriptionRow {
            subscription: name.clone(),
            generation: held.generation,
            paused: held.paused,
            low_water: held.low_water(),
            shares: self.shares(held, now),
            parked: held.parked.len() as u64,
            letters: self.letters.values().filter(|letter| letter.subscription == *name).count()
                as u64,
            failure: held.failure.clone(),
        };
        self.subscriptions.iter().map(row).collect()
    }

    fn shares(&self, held: &Subscription, now: Timestamp) -> Vec<Share> {
        let row = |share: &Held| share.row(|id| self.is_alive(id, now));
        let mut shares: Vec<_> = held.shares.iter().map(row).collect();
        shares.sort_by_key(|share| share.epoch);
        shares
    }

    fn steer(&mut self, name: &str, steer: Steer) -> Result {
        let stream = match steer {
            Steer::Skip { position } => Some(self.stream_at(position)?),
            _ => None,
        };
        let epoch = self.epoch + 1;
        let held = self
            .subscriptions
            .get_mut(name)
            .ok_or_else(|| Error::NotFound { what: "subscription", value: name.to_owned() })?;
        match steer {
            Steer::Pause => held.paused = true,
            Steer::Resume => held.paused = false,
            Steer::Move { to } => {
                let partitions = held.shares.iter().map(|share| share.partitions);
                let Some(all) = partitions.reduce(Partitions::with) else { return Ok(()) };
                held.shares = vec![Held::free(all, epoch, Checkpoint::at(to))];
                held.generation = generation(epoch);
                held.parked.clear();
                self.epoch = epoch;
            }
            Steer::Skip { position } => {
                let key = stream.as_ref().map_or("", StreamName::as_str);
                let was_parked = held.parked.remove(&position).is_some();
                let Some(share) = held.share_of(key) else { return Ok(()) };
                if !was_parked {
                    if has_passed(&share.checkpoint, key, position) {
                        let state = format!("`{name}` has handled the event at {position}");
                        return Err(Error::WrongState(state));
                    }
                    finish(&mut share.checkpoint, position);
                }
                (share.epoch, share.owner, share.clean) = (epoch, None, true);
                self.epoch = epoch;
            }
        }
        Ok(())
    }

    fn stream_at(&self, position: Position) -> Result<StreamName> {
        let event = self.event_at(position).ok_or_else(|| Error::NotFound {
            what: "event at the position",
            value: position.to_string(),
        })?;
        Ok(event.event.stream.clone())
    }

    fn fate(&self, subscription: &str, key: &str, position: Position) -> Option<Fate> {
        let held = self.subscriptions.get(subscription)?;
        if let Some(parked) = held.parked.get(&position) {
            return Some(Fate::Parked(parked.state));
        }
        let is_its = |letter: &&DeadLetter| {
            letter.position == position && letter.subscription == subscription
        };
        if let Some(letter) = self.letters_by_age().find(is_its) {
            return Some(Fate::Dead(letter.id));
        }
        let share = held.shares.iter().find(|share| share.partitions.have(key))?;
        let passed = has_passed(&share.checkpoint, key, position);
        Some(if passed { Fate::Done } else { Fate::Ahead })
    }
}
