//! The loop of one subscription: read, start, settle, record.
//!
//! One task owns all state of its subscription, so nothing here is locked. Handlers run inside
//! that task, side by side; reading and recording go on beside them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use metrics::Counter;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    ahead::Ahead,
    buffer::Buffer,
    circuit::Circuit,
    command::{Command, KnownLetter, Status},
    deliver::Ended,
    job::Job,
    keeper::{Parting, View},
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
    clock::{Timestamp, after},
    delivery::Partitions,
    engine::{Engine, ownership::Lease, stopped, trouble::Trouble},
    error::{Error, Result},
    event::{name::StreamName, record::Recorded},
    store::{BoxFuture, Position},
};

/// The most events of a subscription that have started and are not durably settled: what a crash
/// may repeat, and what runs alone after it.
pub(super) const UNSETTLED_MAX: usize = 1_024;

/// How long a finished event waits for others before it is written down.
pub(super) const RECORD_DELAY: Duration = Duration::from_millis(10);

/// How long the loop sleeps at most while something is due.
const LOOK: Duration = Duration::from_mins(1);

/// How long a hand-over waits for handlers that run; what they had begun then begins again.
const HAND_OVER_MAX: Duration = Duration::from_secs(10);

/// How long a low water that nobody's event moved waits before it is written down.
const SCAN_DELAY: Duration = Duration::from_secs(5);

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
    pub(super) partitions: Partitions,
    /// The lease under which they are claimed, where processes share the store.
    pub(super) lease: Option<watch::Receiver<Lease>>,
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
    /// When handlers that still run give back their events, so that others get their share.
    pub(super) hand_over_by: Option<Timestamp>,
    /// What follows then.
    pub(super) parting: Parting,
    pub(super) view: watch::Sender<View>,
}

pub(super) struct Recording {
    pub(super) commit: BoxFuture<'static, Result<Vec<Refused>>>,
    pub(super) ended: usize,
    pub(super) reports: Vec<(Subject, Outcome)>,
}

impl Runner {
    /// Runs until it is drained: because the bus stops, or because it was told to part.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the claim is lost, and others after which it
    /// cannot go on.
    pub(super) async fn run(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result {
        let mut tail = self.engine.tail.watch();
        let mut stop = self.engine.stopping();
        loop {
            tail.mark_unchanged();
            let now = self.engine.clock.now();
            self.hand_over_if_due(now);
            self.take_in(now);
            let ended_at_once = self.start(now);
            self.record_if_due(now);
            if ended_at_once {
                // There may be room for more; but other tasks want this thread too.
                tokio::task::yield_now().await;
                let noted = self.wait(None, commands, &mut tail, &mut stop).now_or_never();
                noted.unwrap_or(Ok(()))?;
            } else if self.is_finished() {
                return Ok(());
            } else {
                let due = self.next_due(now);
                self.wait(due, commands, &mut tail, &mut stop).await?;
            }
            if self.parting.is_fenced {
                return Err(Error::Fenced { subscription: self.spec.name.to_string() });
            }
        }
    }

    /// Drops all that runs and is being written, and keeps what the next claim should know.
    pub(super) fn end(self: Box<Self>) -> (Parting, Circuit, Waiters) {
        self.engine.giving_back.end(&self.spec.name);
        let Self { parting, circuit, mut waiters, .. } = *self;
        waiters.forget_questions();
        (parting, circuit, waiters)
    }

    /// Whether the lease is over, by a clock that also runs while the machine sleeps, and has not
    /// been renewed or lost yet: nothing new begins.
    pub(super) fn is_lease_over(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.borrow().until <= now)
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
        let is_over = self.lease.is_some() && self.is_lease_over(self.engine.clock.now());
        tokio::select! {
            biased;
            Some(command) = commands.recv() => self.obey(command),
            () = renewed(self.lease.as_mut()), if is_over => {}
            result = committed(self.recording.as_mut()), if self.recording.is_some() => {
                self.recorded(result)?;
            }
            Some(ended) = self.running.next(), if !self.running.is_empty() => {
                let now = self.engine.clock.now();
                self.settle(ended, now);
                self.settle_all_ready(now);
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

    fn settle_all_ready(&mut self, now: Timestamp) {
        for _ in 0..UNSETTLED_MAX {
            match self.running.next().now_or_never() {
                Some(Some(ended)) => self.settle(ended, now),
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
        let due = work.chain([write, self.hand_over_by]).flatten().filter(|due| now < *due).min();
        // A clock that is set forwards, or a machine that slept, must not make it late for long.
        due.map(|due| due.min(after(now, LOOK)))
    }

    /// When what is gathered should be written down.
    pub(super) fn record_due(&self) -> Option<Timestamp> {
        let gathered = self.buffer.since.map(|since| after(since, RECORD_DELAY));
        let scanned = self.scanned_since.map(|since| after(since, SCAN_DELAY));
        gathered.into_iter().chain(scanned).min()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(question) => self.answer(question.0, question.1),
            Command::Pause(reply) => {
                self.set_paused(true);
                self.waiters.resolve_all(Outcome::Paused);
                // Whoever asked may have gone.
                let _ = reply.map(|reply| reply.send(()));
            }
            Command::Resume => self.set_paused(false),
            Command::Replay(letters) => {
                let ours = letters.into_iter().filter(|it| self.partitions.have(&it.key()));
                ours.for_each(|letter| self.replays.offer(letter));
                self.view.send_modify(|view| view.has_letters = true);
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
            Command::Letters(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.known_letters());
            }
            Command::Claim(partitions_max) => {
                self.parting.partitions_max = Some(partitions_max);
                self.stopping = true;
                let by = after(self.engine.clock.now(), HAND_OVER_MAX);
                self.hand_over_by.get_or_insert(by);
            }
            Command::Fenced => self.parting.is_fenced = true,
            Command::Hold(held) => {
                self.parting.held.push(held);
                self.stopping = true;
            }
            Command::Stop => {
                self.parting.is_last = true;
                self.stopping = true;
            }
        }
    }

    /// A handler that hangs must not keep its process from the partitions of one that has died, nor
    /// others from theirs.
    fn hand_over_if_due(&mut self, now: Timestamp) {
        if self.hand_over_by.is_some_and(|by| by <= now) && !self.running.is_empty() {
            self.hand_over_by = None;
            tracing::warn!(subscription = %self.spec.name, running = self.running.len(),
                "handlers take too long for others to get their share: their events begin again");
            self.engine.giving_back.begin(&self.spec.name);
        }
    }

    fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.view.send_modify(|view| view.paused = paused);
    }

    fn known_letters(&self) -> Vec<KnownLetter> {
        let letters = self.replays.letters().chain(self.parking.holding());
        let known = letters.map(|id| KnownLetter { id, is_replaying: self.replays.has(id) });
        let known: Vec<_> = known.collect();
        self.view.send_modify(|view| view.has_letters = !known.is_empty());
        known
    }

    /// Whoever asks for an event of another process's partition is let go, and asks the store.
    fn answer(&mut self, subject: Subject, waiter: Waiter) {
        if !self.partitions.have(waiter.key.as_str()) {
            return;
        }
        let known = self.known(subject, &waiter.key);
        match known.filter(|outcome| outcome.is_settled() || !waiter.settled) {
            Some(outcome) => {
                // Whoever asked may have gone.
                let _ = waiter.reply.send(outcome);
            }
            None => self.waiters.wait(subject, waiter),
        }
    }

    /// The outcome so far, if there is one that is durable.
    fn known(&self, subject: Subject, key: &StreamName) -> Option<Outcome> {
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
            None if self.ledger.is_ahead(key.as_str(), position) => Some(Outcome::Done),
            None => paused,
        }
    }

    fn status(&self) -> Status {
        Status {
            is_here: true,
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

/// Returns when the lease is another one.
async fn renewed(lease: Option<&mut watch::Receiver<Lease>>) {
    match lease {
        // A closed channel means that the bus is gone, which ends the task as well.
        Some(lease) => drop(lease.changed().await),
        None => std::future::pending().await,
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
