//! Making a unit take effect.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{State, streams::Stream};
use crate::{
    backend::plan::{Plan, View},
    delivery::{DeadLetter, MarkKey, Progress, Scheduled},
    documents::{Collection, Document},
    error::Result,
    event::{
        name::StreamName,
        record::{EventData, Recorded},
    },
    journal::SagaRow,
    store::{Committed, Placed, Position, Tip, Unit},
};

impl State {
    /// Checks a unit, and then writes it, which cannot fail.
    pub(super) fn commit(&mut self, unit: &Unit) -> Result<Committed> {
        let plan = Plan::make(unit, self)?;
        for progress in &unit.progress {
            self.advance(progress);
        }
        for (id, letter) in &plan.letters {
            self.set_letter(*id, letter.clone());
        }
        for id in &unit.unscheduled {
            self.unschedule(*id);
        }
        for scheduled in &plan.scheduled {
            self.schedule(scheduled);
        }
        for removed in &plan.removals {
            self.remove(removed);
        }
        for (placed, event) in plan.fresh(&unit.appends) {
            self.append(placed, event);
        }
        for snapshot in &unit.snapshots {
            self.keep(snapshot);
        }
        for row in plan.sagas {
            self.set_saga(row);
        }
        for mark in &unit.marks {
            self.marks.insert(mark.key.clone(), mark.clone());
        }
        for (change, document) in unit.documents.iter().zip(plan.documents) {
            self.set_document(change, document)?;
        }
        Ok(Committed { placed: plan.placed })
    }

    fn advance(&mut self, progress: &Progress) {
        if let Some(subscription) = self.subscriptions.get_mut(&progress.subscription) {
            subscription.advance(progress);
        }
    }

    fn unschedule(&mut self, id: Uuid) {
        if let Some(place) = self.due_of.remove(&id) {
            self.timetable.remove(&place);
        }
    }

    fn schedule(&mut self, scheduled: &Scheduled) {
        self.scheduled += 1;
        let place = (scheduled.due, self.scheduled);
        self.due_of.insert(scheduled.event.id, place);
        self.timetable.insert(place, scheduled.event.clone());
    }

    fn append(&mut self, placed: Placed, event: &EventData) {
        let sequence = placed.position.sequence;
        let stream = self.streams.entry(event.stream.clone()).or_default();
        stream.events.insert(placed.version, sequence);
        stream.version = placed.version;
        if event.derived {
            self.derived.insert(event.id, sequence);
        }
        let recorded = Recorded::new(placed.position, placed.version, event.clone());
        self.log.insert(sequence, Arc::new(recorded));
        self.newest = sequence;
    }
}

impl View for State {
    fn holds(&mut self, subscription: &str, epoch: u64) -> Result<bool> {
        let held = self.subscriptions.get(subscription);
        Ok(held.is_some_and(|held| held.shares.iter().any(|share| share.epoch == epoch)))
    }

    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>> {
        Ok(self.letters.get(&id).cloned())
    }

    fn is_scheduled(&mut self, id: Uuid) -> Result<bool> {
        Ok(self.due_of.contains_key(&id))
    }

    fn tip(&mut self, stream: &StreamName) -> Result<Tip> {
        Ok(self.streams.get(stream).map(Stream::tip).unwrap_or_default())
    }

    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>> {
        let first = self.derived.get(&id).and_then(|sequence| self.log.get(sequence));
        Ok(first.map(|recorded| (recorded.position, recorded.version)))
    }

    fn saga(&mut self, id: Uuid) -> Result<Option<SagaRow>> {
        Ok(self.sagas.get(&id).cloned())
    }

    fn saga_of_key(&mut self, saga: &str, key: &str) -> Result<Option<Uuid>> {
        Ok(self.saga_of_key.get(&(saga.to_owned(), key.to_owned())).copied())
    }

    fn is_marked(&mut self, key: &MarkKey) -> Result<bool> {
        Ok(self.marks.contains_key(key))
    }

    fn document(&mut self, collection: &'static Collection, id: &str) -> Result<Option<Document>> {
        Ok(self.documents(collection)?.get(id).cloned())
    }

    fn owner_of(
        &mut self,
        collection: &'static Collection,
        field: &'static str,
        value: &Value,
    ) -> Result<Option<String>> {
        Ok(self.documents(collection)?.owner_of(field, value))
    }

    fn next_sequence(&self) -> u64 {
        self.newest + 1
    }
}
