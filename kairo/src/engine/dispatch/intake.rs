//! Reading: from the log's tail in memory, from the store further back, and parked events again.

use std::{sync::Arc, time::Duration};

use super::{
    job::{Job, Origin},
    runner::{Returned, Runner},
    waiters::{Outcome, Subject},
};
use crate::{
    clock::Timestamp,
    delivery::ParkedState,
    engine::{Engine, stopped, trouble::Trouble},
    error::{Error, Result},
    event::record::Recorded,
    store::{BoxFuture, Position},
};

/// How many events are read from the store at once.
const PAGE: usize = 512;

/// How many payload bytes may wait in a subscription before it reads on.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The pause after a failed read.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

impl Runner {
    /// Reads as far as there is room.
    pub(super) fn take_in(&mut self, now: Timestamp) {
        if self.paused || self.stopping || self.fetching.is_some() || self.is_busy_alone() {
            return;
        }
        if self.take_due_rows(now) {
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
        let is_full = self.parking.is_full() || WAITING_BYTES_MAX <= self.lanes.bytes();
        if is_full { 0 } else { self.ledger.room().min(PAGE) }
    }

    fn take_page(&mut self, events: Vec<Arc<Recorded>>, end: Position) {
        for event in events {
            if self.spec.interest.wants(event.event.name.as_str())
                && self.is_ours(&event)
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

    /// Whether an event belongs to our partitions, and nobody who had them before is beyond it.
    fn is_ours(&self, event: &Recorded) -> bool {
        let key = event.event.stream.as_str();
        self.partitions.have(key) && !self.ledger.is_ahead(key, event.position)
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
        self.waiters.hold_back(Subject::Event(row.position));
        self.buffer.reports.push((Subject::Event(row.position), Outcome::Behind));
        self.buffer.park(row.clone());
        self.parking.park(row);
    }

    fn fetch_page(&mut self, from: Position) {
        let (engine, spec, limit) = (Arc::clone(&self.engine), Arc::clone(&self.spec), self.room());
        let trouble = self.reading.clone();
        self.fetching = Some(tokio::spawn(async move {
            let selection = spec.selection();
            let read = || engine.backend.read_log(from, &selection, limit);
            read_surely(&engine, &trouble, read).await.map(Returned::Page)
        }));
    }

    /// Fetches the bodies of parked events whose turn has come; whether there are any.
    fn take_due_rows(&mut self, now: Timestamp) -> bool {
        if !self.rows.is_empty() {
            return false;
        }
        let due = self.parking.take_due(now, self.spec.concurrency.get());
        if due.is_empty() {
            return false;
        }
        let (engine, trouble) = (Arc::clone(&self.engine), self.reading.clone());
        self.fetching = Some(tokio::spawn(async move {
            let events = read_surely(&engine, &trouble, || engine.backend.read_at(&due)).await?;
            Ok(Returned::Rows(due, events))
        }));
        true
    }

    /// Takes note of what a read has brought.
    pub(super) fn fetched(&mut self, returned: Option<Result<Returned>>) -> Result {
        self.fetching = None;
        match returned {
            Some(Ok(Returned::Page(page))) => self.take_page(page.events, page.end),
            Some(Ok(Returned::Rows(due, events))) => self.take_rows(due, events),
            // The bus is stopping.
            Some(Err(_)) => self.stopping = true,
            None => return Err(Error::Misuse("a read of the log has panicked")),
        }
        Ok(())
    }

    fn take_rows(&mut self, mut due: Vec<Position>, events: Vec<Arc<Recorded>>) {
        let mut events = events.into_iter().peekable();
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

/// Reads until that succeeds, however often it fails; only a stop makes the error final.
async fn read_surely<'a, T>(
    engine: &Engine,
    trouble: &Trouble,
    read: impl Fn() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let mut stop = engine.stopping();
    loop {
        let done = read().await;
        trouble.note_result(&done);
        let Err(error) = done else { return done };
        tracing::warn!(%error, "the log cannot be read; it is tried again");
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Err(error),
            () = engine.clock.sleep(PAUSE_AFTER_ERROR) => {}
        }
    }
}
