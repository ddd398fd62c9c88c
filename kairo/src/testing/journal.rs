//! The sagas of a store that fails on request.

use uuid::Uuid;

use super::{call::Call, faults::FaultyStore};
use crate::{
    clock::Timestamp,
    error::Result,
    journal::{Journal, SagaFilter, SagaRow},
    store::BoxFuture,
};

impl Journal for FaultyStore {
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>> {
        let answer = move || self.inner.claim_sagas(owner, names, now, limit);
        Box::pin(self.call(Call::ClaimSagas, answer))
    }

    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::ReleaseSagas, move || self.inner.release_sagas(owner)))
    }

    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>> {
        Box::pin(self.call(Call::Saga, move || self.inner.saga(id)))
    }

    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>> {
        Box::pin(self.call(Call::Sagas, move || self.inner.sagas(filter)))
    }

    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>> {
        Box::pin(self.call(Call::NextSaga, move || self.inner.next_saga(names)))
    }

    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.call(Call::PruneSagas, move || self.inner.prune_sagas(before, limit)))
    }
}
