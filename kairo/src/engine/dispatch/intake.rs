//! Reading: from the log's tail in memory, from the store further back, and parked events again.

use std::{sync::Arc, time::Duration};

use super::{
    ahead::{Ahead, Next, PAGE},
    job::{Job, Origin},
    runner::{DueRows, Runner},
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
            if let Some(ahead) = &mut self.ahead {
                match ahead.next() {
                    Next::Event(event) => self.enter(event),
                    Next::Scanned(end) => self.scanned(end),
                    Next::Later => return,
                    Next::End => self.ahead = None,
                }
            } else if let Some((events, end)) = self.engine.tail.read(from, self.room()) {
                for event in events {
                    self.enter(event);
                }
                self.scanned(end);
                if end == from {
                    return;
                }
            } else {
                let (engine, spec) = (Arc::clone(&self.engine), Arc::clone(&self.spec));
                let trouble = self.reading.clone();
                self.ahead = Some(Ahead::begin(engine, spec, trouble, from));
            }
        }
    }

    /// Whether a page is being read.
    pub(super) fn awaits_page(&self) -> bool {
        self.ahead.as_ref().is_some_and(Ahead::is_reading)
    }

    /// How many more events may be read: a full ledger or a full parking stops only this reader.
    fn room(&self) -> usize {
        let is_full = self.parking.is_full() || WAITING_BYTES_MAX <= self.lanes.bytes();
        if is_full { 0 } else { self.ledger.room().min(PAGE) }
    }

    fn enter(&mut self, event: Arc<Recorded>) {
        if self.spec.interest.wants(event.event.name.as_str())
            && self.is_ours(&event)
            && self.ledger.enter(event.position)
        {
            self.offer(event);
        }
    }

    /// Takes note that nothing else is wanted up to `end`.
    fn scanned(&mut self, end: Position) {
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
        if self.parking.blocks(event.event.stream.as_str()) {
            self.park_behind(event);
        } else {
            self.lanes.offer(event);
        }
    }

    /// Parks an event that has not been tried behind one that failed.
    pub(super) fn park_behind(&mut self, event: Arc<Recorded>) {
        let row = Job::first(event).parked(ParkedState::Behind);
        self.ledger.finish(row.position);
        self.waiters.hold_back(Subject::Event(row.position));
        self.buffer.reports.push((Subject::Event(row.position), Outcome::Behind));
        self.buffer.park(row.clone());
        self.parking.park(row);
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
            Ok(DueRows { due, events })
        }));
        true
    }

    /// Takes note of what a read of parked events has brought.
    pub(super) fn fetched(&mut self, rows: Option<Result<DueRows>>) -> Result {
        self.fetching = None;
        match rows {
            Some(Ok(rows)) => self.take_rows(rows),
            // The bus is stopping.
            Some(Err(_)) => self.stopping = true,
            None => return Err(Error::Misuse("a read of parked events has panicked")),
        }
        Ok(())
    }

    fn take_rows(&mut self, DueRows { mut due, events }: DueRows) {
        let mut events = events.into_iter().peekable();
        due.sort_unstable();
        for position in due {
            let event = events.next_if(|event| event.position == position);
            match (event, self.parking.get(position)) {
                (Some(event), Some(row)) => {
                    let failures = row.failures.clone();
                    self.rows.push_back(Job::again(event, Origin::Row, row.attempts, failures));
                }
                (None, Some(_)) => self.let_deleted_go(position),
                (_, None) => {}
            }
        }
    }

    /// Ends a parked event whose stream has been deleted: there is nothing to handle any more.
    fn let_deleted_go(&mut self, position: Position) {
        tracing::warn!(subscription = %self.spec.name, %position,
            "an event that was parked has been deleted");
        let subject = Subject::Event(position);
        self.waiters.hold_back(subject);
        self.buffer.reports.push((subject, Outcome::Dropped));
        self.buffer.unpark(position);
        self.parking.unpark(position);
        self.suspects.left_row(position);
    }
}

/// Reads until that succeeds, however often it fails; only a stop makes the error final.
pub(super) async fn read_surely<'a, T>(
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
