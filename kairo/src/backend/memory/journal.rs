//! Sagas.

use uuid::Uuid;

use super::{MemoryStore, State};
use crate::{
    clock::Timestamp,
    error::Result,
    journal::{Journal, SagaFilter, SagaRow},
    store::BoxFuture,
};

impl Journal for MemoryStore {
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            let lease_now = self.shared.then(|| self.clock.now());
            self.with(|state| Ok(state.claim_sagas(owner, names, now, lease_now, limit))).await
        })
    }

    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| {
                let is_owned = |row: &&mut SagaRow| row.owner == Some(owner) && row.phase.is_live();
                let mine = state.sagas.values_mut().filter(is_owned);
                mine.for_each(|row| row.owner = None);
                Ok(())
            })
            .await?;
            self.tell_others();
            Ok(())
        })
    }

    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>> {
        Box::pin(async move { self.with(|state| Ok(state.sagas.get(&id).cloned())).await })
    }

    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            self.with(|state| {
                let passed = state.sagas.values().filter(|row| filter.has(row));
                let mut rows: Vec<_> = passed.cloned().collect();
                rows.sort_unstable_by_key(|row| (row.started, row.id));
                rows.truncate(filter.limit);
                Ok(rows)
            })
            .await
        })
    }

    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>> {
        Box::pin(async move {
            self.with(|state| {
                let free = state.sagas_by_due.iter().find(|(_, id)| {
                    let row = state.sagas.get(id);
                    row.is_some_and(|row| row.owner.is_none() && names.contains(&row.saga))
                });
                Ok(free.map(|(due, _)| *due))
            })
            .await
        })
    }

    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            self.with(|state| {
                let old = |row: &&SagaRow| row.phase.has_ended() && row.changed < before;
                let mut ended: Vec<_> =
                    state.sagas.values().filter(old).map(|row| (row.changed, row.id)).collect();
                ended.sort_unstable();
                ended.truncate(limit);
                for (_, id) in &ended {
                    state.forget_saga(*id);
                }
                Ok(ended.len() as u64)
            })
            .await
        })
    }
}

impl State {
    /// Takes over what is due and free; a lease counts where there is a time to look at it.
    fn claim_sagas(
        &mut self,
        owner: Uuid,
        names: &[String],
        now: Timestamp,
        lease_now: Option<Timestamp>,
        limit: usize,
    ) -> Vec<SagaRow> {
        let is_free = |row: &SagaRow| match (row.owner, lease_now) {
            (Some(other), _) if other == owner => false,
            (None, _) | (Some(_), None) => true,
            (Some(other), Some(now)) => !self.is_alive(other, now),
        };
        let due = self.sagas_by_due.range(..=(now, Uuid::max()));
        let free = due.filter(|(_, id)| {
            self.sagas.get(id).is_some_and(|row| names.contains(&row.saga) && is_free(row))
        });
        let ids: Vec<Uuid> = free.take(limit).map(|(_, id)| *id).collect();
        let mut claimed = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(row) = self.sagas.get_mut(&id) {
                row.owner = Some(owner);
                row.epoch += 1;
                row.revision += 1;
                claimed.push(row.clone());
            }
        }
        claimed
    }

    /// Puts a saga as it is now in place of what was there.
    pub(super) fn set_saga(&mut self, row: SagaRow) {
        self.forget_saga(row.id);
        if row.phase.is_live() {
            self.sagas_by_due.insert((row.due, row.id));
        }
        if let Some(key) = &row.key {
            self.saga_of_key.insert((row.saga.clone(), key.clone()), row.id);
        }
        self.sagas.insert(row.id, row);
    }

    fn forget_saga(&mut self, id: Uuid) {
        let Some(row) = self.sagas.remove(&id) else { return };
        self.sagas_by_due.remove(&(row.due, id));
        if let Some(key) = row.key {
            self.saga_of_key.remove(&(row.saga, key));
        }
    }
}
