//! What the laws of sagas work with: sagas, and how they change.

use bytes::Bytes;
use uuid::Uuid;

use super::case::{Case, PATIENCE, later};
use crate::{
    clock::{Timestamp, before},
    error::{Error, Result},
    journal::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite},
    store::Unit,
};

impl Case {
    /// A saga of the kind `order` that nobody has and that is due now.
    pub(super) fn saga(&self) -> SagaRow {
        let (id, now) = (self.new_id(), self.now());
        SagaRow {
            id,
            saga: self.subscription("order"),
            key: None,
            shape: 1,
            phase: Phase::Running,
            due: now,
            cancelled: false,
            owner: None,
            epoch: 1,
            revision: 1,
            correlation: id,
            causation: None,
            depth: 0,
            started: now,
            changed: now,
            state: state("started"),
        }
    }

    /// One that is started under a key.
    pub(super) fn saga_for(&self, key: &str) -> SagaRow {
        SagaRow { key: Some(key.to_owned()), ..self.saga() }
    }

    /// A saga in which every field differs from its default.
    pub(super) fn full_saga(&self) -> SagaRow {
        SagaRow {
            key: Some("Ada \u{1f980}'\"".to_owned()),
            shape: u64::MAX - 7,
            phase: Phase::Compensating,
            due: later(self.now(), 60),
            owner: Some(self.owner()),
            correlation: self.new_id(),
            causation: Some(self.new_id()),
            depth: 7,
            started: before(self.now(), PATIENCE),
            state: r#"{"a":["\u0000","é",1.5e300,null],"b":{}}"#.into(),
            ..self.saga()
        }
    }

    /// Starts a saga.
    pub(super) async fn start(&self, row: &SagaRow) -> Result {
        self.change_saga(SagaChange::Start(row.clone())).await
    }

    /// Makes one change of a saga, and nothing else.
    pub(super) async fn change_saga(&self, change: SagaChange) -> Result {
        self.store.commit(of_sagas(vec![change])).await.map(drop)
    }

    /// Replaces what a write replaces.
    pub(super) async fn write_saga(&self, write: SagaWrite) -> Result {
        self.change_saga(SagaChange::Write(write)).await
    }

    pub(super) async fn cancel_saga(&self, id: Uuid, now: Timestamp) -> Result {
        self.change_saga(SagaChange::Cancel { id, now }).await
    }

    /// A saga that must be there.
    pub(super) async fn the_saga(&self, id: Uuid) -> Result<SagaRow> {
        Ok(self.store.saga(id).await?.expect("the saga is there"))
    }

    /// Claims sagas of the kind `order` that are due by now.
    pub(super) async fn claim_orders(&self, limit: usize) -> Result<Vec<SagaRow>> {
        let names = [self.subscription("order")];
        self.store.claim_sagas(self.owner(), &names, self.now(), limit).await
    }
}

/// What a saga has reached.
pub(super) fn state(text: &str) -> Bytes {
    format!(r#"{{"step":"{text}"}}"#).into()
}

/// A unit of changes of sagas alone.
pub(super) fn of_sagas(sagas: Vec<SagaChange>) -> Unit {
    Unit { sagas, ..Unit::default() }
}

/// A new state from somebody who has seen `row`, and who stays its owner.
pub(super) fn write_of(row: &SagaRow, text: &str) -> SagaWrite {
    SagaWrite { state: state(text), keep: true, ..row.unchanged(later(row.changed, 1)) }
}

/// The write with which a saga ends.
pub(super) fn end_of(row: &SagaRow, phase: Phase) -> SagaWrite {
    SagaWrite { phase, keep: false, ..write_of(row, "ended") }
}

/// The ids of sagas, in their order.
pub(super) fn ids(rows: &[SagaRow]) -> Vec<Uuid> {
    rows.iter().map(|row| row.id).collect()
}

/// Whether somebody else has changed this saga.
pub(super) fn has_moved(result: &Result, id: Uuid) -> bool {
    matches!(result, Err(Error::SagaMoved { id: moved }) if *moved == id)
}

/// The sagas of the kind `order`.
pub(super) fn of_orders(case: &Case) -> SagaFilter {
    SagaFilter { saga: Some(case.subscription("order")), ..SagaFilter::default() }
}
