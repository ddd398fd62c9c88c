//! Making a unit take effect.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use crate::{
    backend::plan::{Plan, View},
    delivery::{DeadLetter, Progress, Scheduled},
    error::Result,
    event::{
        name::StreamName,
        record::{EventData, Recorded},
    },
    store::{Committed, Placed, Position, Unit},
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
        for (placed, event) in plan.fresh(&unit.appends) {
            self.append(placed, event);
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
        let index = self.log.len();
        self.streams.entry(event.stream.clone()).or_default().push(index);
        if event.derived {
            self.derived.insert(event.id, index);
        }
        let recorded = Recorded::new(placed.position, placed.version, event.clone());
        self.log.push(Arc::new(recorded));
    }
}

impl View for State {
    fn epoch(&mut self, subscription: &str) -> Result<Option<u64>> {
        Ok(self.subscriptions.get(subscription).map(|subscription| subscription.epoch))
    }

    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>> {
        Ok(self.letters.get(&id).cloned())
    }

    fn is_scheduled(&mut self, id: Uuid) -> Result<bool> {
        Ok(self.due_of.contains_key(&id))
    }

    fn version(&mut self, stream: &StreamName) -> Result<u64> {
        Ok(self.streams.get(stream).map_or(0, |events| events.len() as u64))
    }

    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>> {
        let first = self.derived.get(&id).map(|index| &self.log[*index]);
        Ok(first.map(|recorded| (recorded.position, recorded.version)))
    }

    fn next_sequence(&self) -> u64 {
        self.log.len() as u64 + 1
    }
}
