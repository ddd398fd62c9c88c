//! Carrying one saga on: what is decided is written down, then done, then looked at again.

use std::{collections::HashSet, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    attempt::Ended,
    code::{Code, Part, place_of},
    machine::{Next, Now, next},
    record::{Change, Record, Written, WrittenIn},
    running::Mark,
    settle::Outcome,
    state::State,
    verbs::check_fits,
};
use crate::{
    clock::{Timestamp, after},
    engine::{Engine, ownership::Lease, stopped},
    error::Result,
    event::{Event, record::Draft},
    journal::{
        Phase, SagaRow,
        events::{
            SagaCompensated, SagaCompleted, SagaFailed, SagaStarted, SagaStepCompleted, SagaStuck,
        },
        slot::Slot,
    },
    retry::IN_PLACE_MAX,
};

/// A saga that this process carries on.
pub(super) struct Run {
    pub(super) engine: Arc<Engine>,
    pub(super) code: Arc<dyn Code>,
    pub(super) record: Record,
    pub(super) state: State,
    pub(super) attempts: JoinSet<Ended>,
    pub(super) in_flight: HashSet<Part>,
    /// What the bus is told with the next write.
    news: Vec<Draft>,
    /// Whether something has ended since the last write.
    pub(super) is_dirty: bool,
    /// The lease under which it was claimed.
    lease: watch::Receiver<Lease>,
    member: Uuid,
    mark: Mark,
    _room: OwnedSemaphorePermit,
}

/// Whether it goes on.
pub(super) enum Flow {
    On,
    Over,
}

impl Run {
    pub(super) fn new(
        engine: Arc<Engine>,
        code: Arc<dyn Code>,
        row: SagaRow,
        state: State,
        mark: Mark,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let lease = engine.lease.subscribe();
        let member = lease.borrow().member;
        Self {
            record: Record::new(Arc::clone(&engine), row),
            engine,
            code,
            state,
            attempts: JoinSet::new(),
            in_flight: HashSet::new(),
            news: Vec::new(),
            is_dirty: false,
            lease,
            member,
            mark,
            _room: room,
        }
    }

    /// Puts a new saga into the store, with its first steps begun.
    ///
    /// # Errors
    /// What the store refuses it with, or fails with.
    pub(super) async fn start(&mut self) -> Result {
        let SagaRow { id, saga, key, .. } = &self.record.row;
        let (id, saga, key) = (*id, saga.clone(), key.clone());
        self.tell(&SagaStarted { id, saga, key });
        let parts = loop {
            let next = self.decide();
            match &next {
                Next::Run(steps) if !self.skip_unwanted(steps) => {
                    self.state.decide(&next, self.engine.clock.now());
                    break steps.iter().map(|step| Part::Step(*step)).collect();
                }
                Next::Run(_) => {}
                // Whatever else comes first is decided once it is there.
                _ => break Vec::new(),
            }
        };
        self.record.start(&self.state, &self.news).await?;
        self.news.clear();
        self.is_dirty = false;
        self.begin(parts);
        Ok(())
    }

    /// Puts a new saga into the store for whoever has room for it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(super) async fn leave(engine: &Arc<Engine>, row: SagaRow, state: &State) -> Result {
        let (id, saga, key) = (row.id, row.saga.clone(), row.key.clone());
        let started = Draft::encode(&SagaStarted { id, saga, key })?;
        Record::new(Arc::clone(engine), row).start(state, &[started]).await?;
        engine.sagas.look.notify_one();
        Ok(())
    }

    /// Carries it on until it goes no further by itself, sleeps, or belongs to somebody else.
    pub(super) async fn carry_on(mut self) {
        let saga = self.record.row.id;
        if let Err(why) = check_fits(self.code.plan(), &self.record.row, &self.state) {
            self.state.parked = Some(why);
        }
        loop {
            match self.go_on().await {
                Ok(Flow::On) => {}
                Ok(Flow::Over) => {
                    self.mark.let_go();
                    return;
                }
                Err(error) => {
                    tracing::warn!(%saga, %error, "a saga is left as it is");
                    self.engine.sagas.look.notify_one();
                    return;
                }
            }
        }
    }

    /// Nothing of it is in the store.
    pub(super) const fn let_go(&mut self) {
        self.mark.let_go();
    }

    fn decide(&self) -> Next {
        let row = &self.record.row;
        let plan = self.code.plan();
        let now = Now {
            time: self.engine.clock.now(),
            cancelled: row.cancelled,
            deadline: plan.timeout.map(|timeout| after(row.started, timeout)),
            in_flight: &self.in_flight,
        };
        next(plan, &self.state, now)
    }

    async fn go_on(&mut self) -> Result<Flow> {
        let next = self.decide();
        let is_stopping = *self.engine.stop.borrow();
        match &next {
            Next::Run(_) | Next::Undo(_) | Next::Hook(_) if is_stopping => self.stop().await,
            Next::Run(steps) if self.skip_unwanted(steps) => Ok(Flow::On),
            Next::Run(steps) => {
                let parts = steps.iter().map(|step| Part::Step(*step)).collect();
                self.begin_after_writing(&next, parts).await
            }
            Next::Undo(steps) => {
                let parts = steps.iter().map(|step| Part::Undo(*step)).collect();
                self.begin_after_writing(&next, parts).await
            }
            Next::Hook(part) => self.begin_after_writing(&next, vec![*part]).await,
            Next::Wait(until) => self.wait(*until).await,
            Next::End(phase) => self.end(*phase).await,
            Next::Stuck(index) => {
                let step = self.state.steps[*index].0.clone();
                self.stick(Some(step), Phase::Stuck).await
            }
            Next::Park(_) if !self.in_flight.is_empty() => self.wait(None).await,
            Next::Park(_) => self.stick(None, Phase::Parked).await,
            Next::Fail(_) | Next::Lose(..) | Next::Stick(..) => {
                self.state.decide(&next, self.engine.clock.now());
                self.is_dirty = true;
                Ok(Flow::On)
            }
        }
    }

    /// Waits for what comes first: the end of an attempt, the time, or the end of its right to go on.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<Flow> {
        let now = self.engine.clock.now();
        let until = until.unwrap_or(Timestamp::MAX);
        let is_idle = self.in_flight.is_empty();
        if is_idle && after(now, IN_PLACE_MAX) < until {
            let written = self.write(self.state.live_phase(), until, false).await?;
            self.engine.sagas.look.notify_one();
            return Ok(if written == Written::Cancelled { Flow::On } else { Flow::Over });
        }
        if self.is_dirty {
            let written = self.write(self.state.live_phase(), now, true).await?;
            return Ok(if written == Written::Lost { Flow::Over } else { Flow::On });
        }
        let mut stop = self.engine.stopping();
        tokio::select! {
            biased;
            () = lost(&mut self.lease, self.member) => return Ok(Flow::Over),
            Some(ended) = self.attempts.join_next() => {
                if let Ok(ended) = ended {
                    return self.take_note(ended).await;
                }
            }
            () = self.engine.clock.sleep_until(until) => {}
            () = stopped(&mut stop), if is_idle => return self.stop().await,
        }
        Ok(Flow::On)
    }

    /// Takes note of the end of an attempt, and writes it down at once where the attempt has done
    /// something in a transaction.
    async fn take_note(&mut self, ended: Ended) -> Result<Flow> {
        let Ended { part, outcome, tx } = ended;
        let Some(tx) = tx else {
            self.settle(part, outcome);
            return Ok(Flow::On);
        };
        let (before, told) = (self.state.clone(), self.news.len());
        self.settle(part, outcome);
        let (now, shape) = (self.engine.clock.now(), self.code.plan().shape);
        let after = self.state.clone();
        let phase = after.live_phase();
        let change = Change { phase, due: now, keep: true, shape, news: &self.news };
        let (mut lease, member) = (self.lease.clone(), self.member);
        let written = tokio::select! {
            biased;
            written = self.record.write_in(tx, &after, change) => written?,
            () = lost(&mut lease, member) => WrittenIn::Known(Written::Lost),
        };
        let instead = match written {
            WrittenIn::Known(Written::Lost) => return Ok(Flow::Over),
            WrittenIn::Known(Written::Yes) => {
                self.news.clear();
                self.is_dirty = false;
                return Ok(Flow::On);
            }
            // It is to be decided anew, and what the attempt did has not happened.
            WrittenIn::Known(Written::Cancelled) => Outcome::GivenBack,
            WrittenIn::Refused(failure) => {
                Outcome::Missed { class: failure.class(), errors: failure.chain() }
            }
        };
        self.state = before;
        self.news.truncate(told);
        self.settle(part, instead);
        Ok(Flow::On)
    }

    fn settle(&mut self, part: Part, outcome: Outcome) {
        self.in_flight.remove(&part);
        self.is_dirty = true;
        let row = &self.record.row;
        let (id, saga) = (row.id, row.saga.clone());
        if let Outcome::Missed { errors, .. } = &outcome {
            let place = place_of(self.code.plan(), part);
            tracing::warn!(saga = %id, place, error = errors.first(), "an attempt failed");
        }
        let (now, draw) = (self.engine.clock.now(), self.engine.clock.draw());
        self.state.settle(self.code.plan(), part, outcome, now, draw);
        if let Part::Step(step) = part
            && matches!(self.state.slot(step), Slot::Done(_))
        {
            let step = self.state.steps[step].0.clone();
            self.tell(&SagaStepCompleted { id, saga, step });
        }
    }

    /// The process stops: what runs comes to its end, and nothing begins.
    async fn stop(&mut self) -> Result<Flow> {
        if let Some(ended) = self.attempts.join_next().await {
            return match ended {
                Ok(ended) => self.take_note(ended).await,
                Err(_) => Ok(Flow::On),
            };
        }
        if self.is_dirty {
            let now = self.engine.clock.now();
            self.write(self.state.live_phase(), now, false).await?;
        }
        Ok(Flow::Over)
    }

    async fn end(&mut self, phase: Phase) -> Result<Flow> {
        let SagaRow { id, saga, .. } = &self.record.row;
        let (id, saga, told) = (*id, saga.clone(), self.news.len());
        match (phase, self.state.failure.clone()) {
            (Phase::Failed, Some(failure)) => self.tell(&SagaFailed { id, saga, failure }),
            (Phase::Compensated, Some(failure)) => {
                let undone = self.state.undone().map(str::to_owned).collect();
                self.tell(&SagaCompensated { id, saga, failure, undone });
            }
            _ => self.tell(&SagaCompleted { id, saga }),
        }
        self.rest(phase, told).await
    }

    async fn stick(&mut self, step: Option<String>, phase: Phase) -> Result<Flow> {
        let SagaRow { id, saga, .. } = &self.record.row;
        let (id, saga, told) = (*id, saga.clone(), self.news.len());
        let errors = match &self.state.parked {
            Some(why) => vec![why.clone()],
            None => self.state.stuck().map(|(_, errors)| errors.to_vec()).unwrap_or_default(),
        };
        tracing::error!(%id, saga, step, error = errors.first(), "a saga waits for somebody to decide");
        self.tell(&SagaStuck { id, saga, step, errors });
        self.rest(phase, told).await
    }

    /// Writes down that it goes no further by itself, and tells who waits for that. Where it does go on,
    /// only so many of the news are true.
    async fn rest(&mut self, phase: Phase, told: usize) -> Result<Flow> {
        let written = self.write(phase, self.engine.clock.now(), false).await?;
        if written == Written::Cancelled {
            self.news.truncate(told);
            return Ok(Flow::On);
        }
        if written == Written::Yes {
            self.engine.sagas.tell(&self.record.row);
        }
        Ok(Flow::Over)
    }

    /// Writes down the state, unless the right to that ends first.
    pub(super) async fn write(
        &mut self,
        phase: Phase,
        due: Timestamp,
        keep: bool,
    ) -> Result<Written> {
        // What cannot be carried on by this code keeps the mark of the code that wrote it.
        let shape =
            if phase == Phase::Parked { self.record.row.shape } else { self.code.plan().shape };
        let change = Change { phase, due, keep, shape, news: &self.news };
        let written = tokio::select! {
            biased;
            written = self.record.write(&self.state, change) => written?,
            () = lost(&mut self.lease, self.member) => Written::Lost,
        };
        if written == Written::Yes {
            self.news.clear();
            self.is_dirty = false;
        }
        Ok(written)
    }

    fn tell<E: Event>(&mut self, event: &E) {
        match Draft::encode(event) {
            Ok(draft) => self.news.push(draft),
            Err(error) => tracing::error!(%error, "an event of a saga cannot be written"),
        }
    }
}

/// Returns once this process is not the member any more under which a saga was claimed.
async fn lost(lease: &mut watch::Receiver<Lease>, member: Uuid) {
    // A closed channel means that the bus is gone.
    drop(lease.wait_for(|lease| lease.member != member).await);
}
