//! The loop of one subscription: read, start, settle, record.
//!
//! One task owns all state of its subscription, so nothing here is locked. Handlers run inside
//! that task, side by side; reading and recording go on beside them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use metrics::Counter;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use uuid::Uuid;

use super::{
    ahead::Ahead,
    buffer::Buffer,
    circuit::Circuit,
    deliver::Ended,
    job::Job,
    lanes::Lanes,
    ledger::Ledger,
    parking::Parking,
    refused::Refused,
    replays::Replays,
    spec::Spec,
    suspects::Suspects,
    waiters::{Outcome, Subject, Waiter, Waiters},
};
use crate::{
    clock::Timestamp,
    delivery::DeadLetter,
    engine::{Engine, stopped, trouble::Trouble},
    error::Result,
    event::record::Recorded,
    store::{BoxFuture, Position},
};

/// The most events of a subscription that have started and are not durably settled: what a crash
/// may repeat, and what runs alone after it.
pub(super) const UNSETTLED_MAX: usize = 1_024;

/// How long a finished event waits for others before it is written down.
pub(super) const RECORD_DELAY: Duration = Duration::from_millis(10);

/// How long the loop sleeps at most while something is due.
const LOOK: Duration = Duration::from_mins(1);

/// How long a low water that nobody's event moved waits before it is written down.
const SCAN_DELAY: Duration = Duration::from_secs(5);

/// What a subscription can be told or asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// Somebody waits for an outcome.
    Watch(Subject, Waiter),
    /// Nothing new begins until resumed; the answer says that this holds.
    Pause(oneshot::Sender<()>),
    /// New events begin again.
    Resume,
    /// These letters are being reprocessed.
    Replay(Vec<DeadLetter>),
    /// A letter has gone, by the hand of an operator.
    LetterGone(Uuid),
    /// How it is.
    Status(oneshot::Sender<Status>),
    /// Stop as at a shutdown.
    Stop,
}

/// How a subscription is.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) paused: bool,
    pub(crate) open_until: Option<Timestamp>,
    pub(crate) running: usize,
    pub(crate) parked: usize,
    pub(crate) newer: usize,
    pub(crate) full: bool,
    pub(crate) read_to: Position,
    pub(crate) failing: Option<String>,
}

/// Parked events whose turn has come, as they were asked for and as the store has them.
pub(super) struct DueRows {
    pub(super) due: Vec<Position>,
    pub(super) events: Vec<Arc<Recorded>>,
}

pub(super) struct Runner {
    pub(super) engine: Arc<Engine>,
    pub(super) spec: Arc<Spec>,
    pub(super) epoch: u64,
    pub(super) generation: u32,
    pub(super) ledger: Ledger,
    pub(super) lanes: Lanes,
    pub(super) parking: Parking,
    pub(super) replays: Replays,
    pub(super) circuit: Circuit,
    pub(super) suspects: Suspects,
    pub(super) waiters: Waiters,
    pub(super) running: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// How many events have started and are not durably settled.
    pub(super) unsettled: usize,
    pub(super) buffer: Buffer,
    /// The progress that is being written, with what it settles and what waiters hear then.
    pub(super) recording: Option<Recording>,
    pub(super) recorded: Position,
    pub(super) scanned_since: Option<Timestamp>,
    /// What is read of the log, where the tail does not reach back.
    pub(super) ahead: Option<Ahead>,
    /// A read of parked events whose turn has come.
    pub(super) fetching: Option<JoinHandle<Result<DueRows>>>,
    /// What reads, and what commits of progress, fail with.
    pub(super) reading: Trouble,
    pub(super) writing: Trouble,
    /// Parked events whose turn has come, with their bodies.
    pub(super) rows: VecDeque<Job>,
    /// Counts what is done; made once, because naming it costs more than counting.
    pub(super) processed: Counter,
    pub(super) paused: bool,
    pub(super) stopping: bool,
}

pub(super) struct Recording {
    pub(super) commit: BoxFuture<'static, Result<Vec<Refused>>>,
    pub(super) ended: usize,
    pub(super) reports: Vec<(Subject, Outcome)>,
}

impl Runner {
    /// Runs until the bus stops or the claim is lost; then gives the claim back.
    pub(super) async fn run(mut self: Box<Self>, mut commands: mpsc::Receiver<Command>) {
        let mut tail = self.engine.tail.watch();
        let mut stop = self.engine.stopping();
        loop {
            tail.mark_unchanged();
            let now = self.engine.clock.now();
            self.take_in(now);
            let ended_at_once = self.start(now);
            self.record_if_due(now);
            let noted = if ended_at_once {
                // There may be room for more; but other tasks want this thread too.
                tokio::task::yield_now().await;
                let noted = self.wait(None, &mut commands, &mut tail, &mut stop).now_or_never();
                noted.unwrap_or(Ok(()))
            } else if self.is_finished() {
                break;
            } else {
                let due = self.next_due(now);
                self.wait(due, &mut commands, &mut tail, &mut stop).await
            };
            if let Err(error) = noted {
                tracing::error!(subscription = %self.spec.name, %error, "the subscription stops");
                return;
            }
        }
        let (backend, claim) = (&*self.engine.backend, (self.spec.name.to_string(), self.epoch));
        if let Err(error) = self.engine.released.give_back(backend, claim).await {
            tracing::warn!(subscription = %self.spec.name, %error, "claims are not given back");
        }
    }

    fn is_finished(&self) -> bool {
        self.stopping && self.running.is_empty() && self.recording.is_none() && !self.is_dirty()
    }

    /// Waits until something can be done, and takes note of what has happened.
    async fn wait(
        &mut self,
        due: Option<Timestamp>,
        commands: &mut mpsc::Receiver<Command>,
        tail: &mut watch::Receiver<Position>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result {
        tokio::select! {
            biased;
            Some(command) = commands.recv() => self.obey(command),
            result = committed(self.recording.as_mut()), if self.recording.is_some() => {
                self.recorded(result)?;
            }
            Some(ended) = self.running.next(), if !self.running.is_empty() => {
                self.settle(ended);
                self.settle_all_ready();
            }
            rows = finished(self.fetching.as_mut()), if self.fetching.is_some() => {
                self.fetched(rows)?;
            }
            // It fails only when the bus is stopping.
            page = arrival(self.ahead.as_mut()), if self.awaits_page() => {
                self.stopping |= page.is_err();
            }
            () = stopped(stop), if !self.stopping => self.stopping = true,
            Ok(()) = tail.changed(), if !self.stopping => {}
            () = self.engine.clock.sleep_until(due.unwrap_or(Timestamp::MAX)), if due.is_some() => {}
        }
        Ok(())
    }

    fn settle_all_ready(&mut self) {
        for _ in 0..UNSETTLED_MAX {
            match self.running.next().now_or_never() {
                Some(Some(ended)) => self.settle(ended),
                _ => return,
            }
        }
    }

    /// When something happens by itself. What was due at `now` and could not begin waits for
    /// something else: a slot, a read, or the end of a trial.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let work = [self.parking.next_due(), self.replays.next_due(), self.circuit.open_until()];
        let work = work.into_iter().filter(|_| !self.paused && !self.stopping);
        let write = self.record_due().filter(|_| self.recording.is_none());
        let due = work.chain([write]).flatten().filter(|due| now < *due).min();
        // A clock that is set forwards, or a machine that slept, must not make it late for long.
        due.map(|due| due.min(crate::clock::after(now, LOOK)))
    }

    /// When what is gathered should be written down.
    pub(super) fn record_due(&self) -> Option<Timestamp> {
        let gathered = self.buffer.since.map(|since| crate::clock::after(since, RECORD_DELAY));
        let scanned = self.scanned_since.map(|since| crate::clock::after(since, SCAN_DELAY));
        gathered.into_iter().chain(scanned).min()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(subject, waiter) => self.answer(subject, waiter),
            Command::Pause(reply) => {
                self.paused = true;
                self.waiters.resolve_all(Outcome::Paused);
                // Whoever asked may have gone.
                let _ = reply.send(());
            }
            Command::Resume => self.paused = false,
            Command::Replay(letters) => {
                for letter in letters {
                    self.replays.offer(letter);
                }
            }
            // One that runs is let go when it ends, so that nothing of its key runs beside it.
            Command::LetterGone(id) if self.replays.mark_gone(id) => {}
            Command::LetterGone(id) => {
                if self.replays.end(id).is_some() {
                    self.waiters.resolve(Subject::Letter(id), Outcome::Dropped);
                }
                self.parking.let_go(id);
            }
            Command::Status(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.status());
            }
            Command::Stop => self.stopping = true,
        }
    }

    fn answer(&mut self, subject: Subject, waiter: Waiter) {
        match self.known(subject).filter(|outcome| outcome.is_settled() || !waiter.settled) {
            Some(outcome) => {
                // Whoever asked may have gone.
                let _ = waiter.reply.send(outcome);
            }
            None => self.waiters.wait(subject, waiter),
        }
    }

    /// The outcome so far, if there is one that is durable.
    fn known(&self, subject: Subject) -> Option<Outcome> {
        if self.waiters.is_held_back(subject) {
            return None;
        }
        let held_up = self.paused || self.parking.is_full() || self.circuit.open_until().is_some();
        let paused = held_up.then_some(Outcome::Paused);
        let position = match subject {
            Subject::Event(position) => position,
            Subject::Letter(id) if self.replays.has(id) => {
                let retrying = self.replays.retrying(id);
                return retrying.map(|until| Outcome::Retrying { until }).or(paused);
            }
            Subject::Letter(id) => return self.waiters.replayed(id).or(paused),
        };
        if let Some(outcome) = self.waiters.recent(position) {
            return Some(outcome);
        }
        match self.parking.get(position) {
            Some(row) => super::settle::outcome_of(row.state).or(paused),
            None if self.ledger.covers(position) => Some(Outcome::Done),
            None => paused,
        }
    }

    fn status(&self) -> Status {
        Status {
            paused: self.paused,
            open_until: self.circuit.open_until(),
            running: self.running.len(),
            parked: self.parking.len(),
            newer: self.parking.newer(),
            full: self.parking.is_full(),
            read_to: self.ledger.read_to(),
            failing: self.reading.now().or_else(|| self.writing.now()),
        }
    }
}

/// The arrival of a page, where one is being read.
async fn arrival(ahead: Option<&mut Ahead>) -> Result {
    match ahead {
        Some(ahead) => ahead.wait().await,
        None => std::future::pending().await,
    }
}

/// The end of a commit, where one is under way.
async fn committed(recording: Option<&mut Recording>) -> Result<Vec<Refused>> {
    match recording {
        Some(recording) => (&mut recording.commit).await,
        None => std::future::pending().await,
    }
}

/// The result of a task that is only polled while there is one.
pub(super) async fn finished<T>(task: Option<&mut JoinHandle<T>>) -> Option<T> {
    match task {
        // A task that was aborted or panicked brings nothing back.
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}
