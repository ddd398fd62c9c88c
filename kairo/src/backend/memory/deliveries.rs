//! Subscriptions: their claims, places and parked events.

use std::collections::BTreeMap;

use super::{MemoryStore, State};
use crate::{
    backend::plan::check_claims,
    delivery::{
        Checkpoint, Claim, Claimed, DeadLetter, Deliveries, LetterState, Parked, Progress,
        SubscriptionRow,
    },
    error::Result,
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

/// A subscription's place.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) epoch: u64,
    generation: u32,
    clean: bool,
    checkpoint: Checkpoint,
    parked: BTreeMap<Position, Parked>,
}

impl Subscription {
    /// The generation is the first epoch, which no earlier subscription of the name had.
    fn new(low_water: Position, epoch: u64) -> Self {
        let checkpoint = Checkpoint { low_water, finished: Vec::new() };
        let generation = u32::try_from(epoch).unwrap_or(u32::MAX);
        Self { epoch, generation, clean: true, checkpoint, parked: BTreeMap::new() }
    }

    /// Takes over what was achieved; the epoch has been checked.
    pub(super) fn advance(&mut self, progress: &Progress) {
        self.checkpoint = progress.checkpoint.clone();
        for parked in &progress.park {
            self.parked.insert(parked.position, parked.clone());
        }
        for position in &progress.unpark {
            self.parked.remove(position);
        }
    }
}

impl Deliveries for MemoryStore {
    fn claim(&self, claims: Vec<Claim>) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            self.with(|state| Ok(claims.into_iter().map(|claim| state.claim(claim)).collect()))
                .await
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| {
                for (subscription, epoch) in &claims {
                    let held = state.subscriptions.get_mut(subscription);
                    if let Some(held) = held.filter(|held| held.epoch == *epoch) {
                        held.clean = true;
                    }
                }
                Ok(())
            })
            .await
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async { self.with(|state| Ok(state.rows())).await })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.with(|state| Ok(state.subscriptions.remove(&subscription).is_some())).await
        })
    }
}

impl State {
    fn claim(&mut self, claim: Claim) -> Claimed {
        let Claim { subscription: name, start, renamed_from } = claim;
        if let Some(old) = renamed_from
            && !self.subscriptions.contains_key(&name)
        {
            self.rename(&old, &name);
        }
        self.epoch += 1;
        let low_water = match start {
            StartAt::Now => self.head(),
            StartAt::Beginning => Position::START,
        };
        let new = || Subscription::new(low_water, self.epoch);
        let held = self.subscriptions.entry(name.clone()).or_insert_with(new);
        held.epoch = self.epoch;
        let unclean = !std::mem::replace(&mut held.clean, false);
        Claimed {
            epoch: held.epoch,
            generation: held.generation,
            unclean,
            checkpoint: held.checkpoint.clone(),
            parked: held.parked.values().cloned().collect(),
            letters: self.pending_letters(&name),
        }
    }

    /// Moves a subscription and its letters to another name.
    fn rename(&mut self, old: &str, new: &str) {
        let Some(held) = self.subscriptions.remove(old) else { return };
        self.subscriptions.insert(new.to_owned(), held);
        for letter in self.letters.values_mut().filter(|letter| letter.subscription == old) {
            new.clone_into(&mut letter.subscription);
        }
    }

    fn pending_letters(&self, subscription: &str) -> Vec<DeadLetter> {
        let pending = |letter: &&DeadLetter| {
            letter.subscription == subscription
                && (letter.holds_key || letter.state != LetterState::Dead)
        };
        self.letters_by_age().filter(pending).cloned().collect()
    }

    fn rows(&self) -> Vec<SubscriptionRow> {
        let row = |(name, held): (&String, &Subscription)| SubscriptionRow {
            subscription: name.clone(),
            generation: held.generation,
            low_water: held.checkpoint.low_water,
            parked: held.parked.len() as u64,
            letters: self.letters.values().filter(|letter| letter.subscription == *name).count()
                as u64,
        };
        self.subscriptions.iter().map(row).collect()
    }
}
