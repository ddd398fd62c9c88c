//! Starting: who is next, and whether it may run beside others.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::{
    deliver::{End, Ended, Seat, deliver},
    job::{Job, Origin},
    runner::{Runner, UNSETTLED_MAX},
    suspects::CRASHES_MAX,
};
use crate::{
    clock::Timestamp,
    delivery::{FailedAttempt, ParkedState, Progress, Reason},
    engine::{Engine, stopped, trouble::Trouble},
    error::{Error, Result},
    event::record::Recorded,
    store::Unit,
};

/// The pause after a count could not be written.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

impl Runner {
    /// Starts events while there are slots for them; whether any of them has ended already, so
    /// that there may be room for more.
    pub(super) fn start(&mut self, now: Timestamp) -> bool {
        let mut ended_at_once = false;
        if self.paused || self.stopping || self.is_lease_over(now) {
            return ended_at_once;
        }
        if self.suspects.any() {
            self.start_alone(now);
            return ended_at_once;
        }
        if !self.lanes.has_ready() && self.rows.is_empty() && self.replays.next_due().is_none() {
            return ended_at_once;
        }
        let concurrency = self.spec.concurrency.get();
        // A delivery that has ended leaves its room and its seat to the next one.
        let (mut room, mut seat) = (None, None);
        while self.running.len() < self.circuit.allowed(concurrency, now)
            && self.unsettled < UNSETTLED_MAX
            && !self.is_enough_to_record()
            && let Some(mut job) = self.next_job(now)
        {
            // A row that an earlier process has counted it in goes away with it.
            job.counted = 0 < self.suspects.start(job.event.position);
            self.unsettled += 1;
            let seat_now = seat.take().unwrap_or_else(|| self.seat());
            let key = (job.origin == Origin::Log).then(|| job.key().clone());
            let mut delivery = placed(deliver(seat_now, job), room.take());
            // Most handlers are done at once; the others are polled again among those that run.
            if let Some(mut ended) = (&mut delivery).now_or_never() {
                room = Some(delivery);
                seat = ended.seat.take();
                self.settle(ended, now);
                ended_at_once = true;
            } else {
                if let Some(key) = key {
                    self.lanes.hold(key);
                }
                self.running.push(delivery);
            }
        }
        ended_at_once
    }

    fn seat(&self) -> Seat {
        Seat::new(&self.engine, &self.spec, self.generation, self.epoch)
    }

    /// Parked events and letters first: they are the older ones.
    fn next_job(&mut self, now: Timestamp) -> Option<Job> {
        if let Some(job) = self.rows.pop_front() {
            return Some(job);
        }
        if self.replays.next_due().is_some()
            && let Some(letter) = self.replays.take_due(now)
        {
            let event = Recorded::new(letter.position, letter.version, letter.replayed());
            let origin = Origin::Letter(letter.id);
            let (edit, failures) = (letter.edit(), letter.failures.clone());
            let job = Job::again(Arc::new(event), origin, letter.attempts, failures);
            return Some(Job { edit, ..job });
        }
        self.lanes.next().map(Job::first)
    }

    /// Whether nothing runs, and everything that has ended is written down.
    fn is_at_rest(&self) -> bool {
        self.running.is_empty()
            && self.recording.is_none()
            && self.buffer.ended == 0
            && !self.buffer.urgent
    }

    /// Whether reading must wait: what runs alone is started and written down by itself.
    pub(super) fn is_busy_alone(&self) -> bool {
        let has_next = self.lanes.has_ready() || !self.rows.is_empty();
        self.suspects.any() && (has_next || !self.is_at_rest())
    }

    /// Starts a single event that may have taken the process down, after counting that durably.
    fn start_alone(&mut self, now: Timestamp) {
        // The count carries a checkpoint, and what that passes must have been written before.
        if !self.is_at_rest() {
            return;
        }
        let Some(mut job) = self.next_job(now) else {
            if self.fetching.is_none() {
                self.suspects.met_all_to(self.ledger.read_to());
            }
            return;
        };
        job.crashes = self.suspects.start(job.event.position);
        self.unsettled += 1;
        job.counted = true;
        if CRASHES_MAX <= job.crashes {
            return self.settle(crash_loop(job, &self.engine), now);
        }
        let row = job.parked(ParkedState::Alone { crashes: job.crashes });
        let progress = Progress {
            subscription: self.spec.name.to_string(),
            epoch: self.epoch,
            checkpoint: self.ledger.checkpoint(),
            park: vec![row],
            unpark: Vec::new(),
            bury: Vec::new(),
            failure: None,
        };
        let count = Count { unit: Unit::of_progress(progress), trouble: self.writing.clone() };
        if job.origin == Origin::Log {
            self.lanes.hold(job.key().clone());
        }
        let alone = deliver_alone(Arc::clone(&self.engine), self.seat(), job, count);
        self.running.push(Box::pin(alone));
    }
}

/// A future in a room of its own, or in one that is free.
fn placed<F: Future>(future: F, room: Option<Pin<Box<F>>>) -> Pin<Box<F>> {
    match room {
        Some(mut room) => {
            room.set(future);
            room
        }
        None => Box::pin(future),
    }
}

/// An event that has taken the process down too often.
fn crash_loop(mut job: Job, engine: &Engine) -> Ended {
    let errors = vec![format!("the process went away {} times while handling it", job.crashes)];
    job.note(FailedAttempt { attempt: job.attempts + 1, time: engine.clock.now(), errors });
    Ended { job, end: End::Dead(Reason::CrashLoop), failed: 0, seat: None }
}

/// What must be durable before a suspect runs.
struct Count {
    unit: Unit,
    trouble: Trouble,
}

impl Count {
    /// Writes it, however long the store is away; only a stop or a lost claim ends that.
    async fn write(self, engine: &Engine) -> Result {
        let mut stop = engine.stopping();
        loop {
            let written = engine.backend.commit(self.unit.clone()).await;
            self.trouble.note_result(&written);
            match written {
                Ok(_) => return Ok(()),
                Err(error @ (Error::Fenced { .. } | Error::Closed)) => return Err(error),
                Err(error) => {
                    tokio::select! {
                        biased;
                        () = stopped(&mut stop) => return Err(error),
                        () = engine.clock.sleep(PAUSE_AFTER_ERROR) => {}
                    }
                }
            }
        }
    }
}

/// Delivers an event while no other suspect runs in the whole process.
async fn deliver_alone(engine: Arc<Engine>, seat: Seat, job: Job, count: Count) -> Ended {
    let mut stop = engine.stopping();
    let _permit = tokio::select! {
        biased;
        () = stopped(&mut stop) => return given_back(job),
        () = engine.giving_back.wait(seat.subscription()) => return given_back(job),
        // The semaphore is never closed, so a permit always comes.
        permit = engine.alone.acquire() => permit,
    };
    match count.write(&engine).await {
        Ok(()) => deliver(seat, job).await,
        Err(error) => {
            tracing::warn!(event = %job.event.event.id, %error, "a suspect cannot be counted");
            given_back(job)
        }
    }
}

/// An event that did not start.
const fn given_back(job: Job) -> Ended {
    Ended { job, end: End::GivenBack, failed: 0, seat: None }
}
