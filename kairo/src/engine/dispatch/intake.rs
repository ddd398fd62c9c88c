//! Reading: from the log's tail in memory, from the store further back, and parked events again.

use std::sync::Arc;

use super::{
    job::{Job, Origin},
    runner::{Returned, Runner},
};
use crate::{
    delivery::ParkedState,
    engine::{Engine, stopped},
    event::record::Recorded,
    store::{Page, Position},
};

/// How many events are read from the store at once.
const PAGE: usize = 512;

/// The pause after a failed read.
const PAUSE_AFTER_ERROR: std::time::Duration = std::time::Duration::from_millis(200);

impl Runner {
    /// Reads as far as there is room.
    pub(super) fn take_in(&mut self) {
        if self.paused || self.stopping || self.fetching.is_some() {
            return;
        }
        if self.take_due_rows() {
            return;
        }
        while 0 < self.room() {
            let from = self.ledger.read_to();
            match self.engine.tail.read(from, self.room()) {
                Some((events, end)) => {
                    self.take_page(events, end);
                    if end == from {
                        return;
                    }
                }
                None => return self.fetch_page(from),
            }
        }
    }

    /// How many more events may be read: a full ledger or a full parking stops only this reader.
    fn room(&self) -> usize {
        if self.parking.is_full() { 0 } else { self.ledger.room().min(PAGE) }
    }

    fn take_page(&mut self, events: Vec<Arc<Recorded>>, end: Position) {
        for event in events {
            if self.spec.interest.wants(event.event.name.as_str())
                && self.ledger.enter(event.position)
            {
                self.offer(event);
            }
        }
        self.ledger.scanned(end);
        if self.scanned_since.is_none() && self.recorded < self.ledger.read_to() {
            self.scanned_since = Some(self.engine.clock.now());
        }
    }

    /// Lets an event wait for its turn: in a lane, or parked behind an earlier one of its key.
    fn offer(&mut self, event: Arc<Recorded>) {
        let job = Job::first(event);
        if self.parking.blocks(job.key().as_str()) {
            self.park_behind(&job);
        } else {
            self.lanes.offer(job);
        }
    }

    /// Parks an event that has not been tried behind one that failed.
    pub(super) fn park_behind(&mut self, job: &Job) {
        let row = job.parked(ParkedState::Behind);
        self.ledger.finish(row.position);
        self.buffer.park(row.clone());
        self.parking.park(row);
    }

    fn fetch_page(&mut self, from: Position) {
        let (engine, spec, limit) = (Arc::clone(&self.engine), Arc::clone(&self.spec), self.room());
        self.fetching = Some(tokio::spawn(async move {
            let selection = spec.selection();
            Returned::Page(engine.backend.read_log(from, &selection, limit).await)
        }));
    }

    /// Fetches the bodies of parked events whose turn has come; whether there are any.
    fn take_due_rows(&mut self) -> bool {
        if !self.rows.is_empty() || self.parking.next_due().is_none() {
            return false;
        }
        let limit = self.spec.concurrency.get();
        let due = self.parking.take_due(self.engine.clock.now(), limit);
        if due.is_empty() {
            return false;
        }
        let engine = Arc::clone(&self.engine);
        self.fetching = Some(tokio::spawn(async move {
            let events = read_at(&engine, &due).await;
            Returned::Rows(events.map(|events| (due, events)))
        }));
        true
    }

    /// Takes note of what a read has brought.
    pub(super) async fn fetched(&mut self, returned: Option<Returned>) {
        self.fetching = None;
        match returned {
            Some(Returned::Page(Ok(Page { events, end, .. }))) => self.take_page(events, end),
            Some(Returned::Rows(Ok((due, events)))) => self.take_rows(&due, events),
            Some(Returned::Page(Err(error)) | Returned::Rows(Err(error))) => {
                tracing::warn!(subscription = %self.spec.name, %error, "the log cannot be read");
                self.engine.clock.sleep(PAUSE_AFTER_ERROR).await;
            }
            None => {}
        }
    }

    fn take_rows(&mut self, due: &[Position], events: Vec<Arc<Recorded>>) {
        let mut events = events.into_iter().peekable();
        let mut due = due.to_vec();
        due.sort_unstable();
        for position in due {
            let event = events.next_if(|event| event.position == position);
            match (event, self.parking.get(position)) {
                (Some(event), Some(row)) => {
                    let failures = row.failures.clone();
                    self.rows.push_back(Job::again(event, Origin::Row, row.attempts, failures));
                }
                // Its stream has been deleted: there is nothing to handle any more.
                (None, Some(_)) => {
                    self.buffer.unpark(position);
                    self.parking.unpark(position);
                }
                (_, None) => {}
            }
        }
    }
}

/// Reads the bodies of parked events; a store that is away for a moment is asked again.
async fn read_at(engine: &Engine, positions: &[Position]) -> crate::Result<Vec<Arc<Recorded>>> {
    let mut stop = engine.stopping();
    loop {
        match engine.backend.read_at(positions).await {
            Err(error) if !*stop.borrow() => {
                tracing::warn!(%error, "parked events cannot be read");
                tokio::select! {
                    () = stopped(&mut stop) => return Err(error),
                    () = engine.clock.sleep(PAUSE_AFTER_ERROR) => {}
                }
            }
            result => return result,
        }
    }
}
