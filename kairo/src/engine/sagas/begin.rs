//! Beginning attempts: asking whether a step runs at all, writing down that it does, running it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    attempt::Attempt,
    code::{Part, UndoPlan, given, place_of},
    machine::Next,
    record::Written,
    run::{Flow, Run},
};
use crate::{
    blueprint::{StepError, Values},
    clock::after,
    engine::dispatch::deliver::caught,
    error::Result,
    handler::context::{Context, Whole},
    journal::slot::Slot,
};

/// How long a hook may take.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

impl Run {
    /// Asks `when` of steps that are about to begin; whether any answer changed anything.
    pub(super) fn skip_unwanted(&mut self, steps: &[usize]) -> bool {
        let mut has_changed = false;
        for &step in steps {
            let is_new = matches!(self.state.slot(step), Slot::Pending(_));
            if !is_new || !self.code.plan().steps[step].has_when {
                continue;
            }
            match self.test(step) {
                Ok(true) => {}
                Ok(false) => {
                    has_changed = true;
                    self.state.change(step, |slot| match slot {
                        Slot::Pending(pending) => pending.skip(),
                        slot => slot,
                    });
                }
                Err(error) => {
                    has_changed = true;
                    let name = self.code.plan().steps[step].name;
                    let why = format!("whether step `{name}` runs cannot be told: {error}");
                    self.state.parked = Some(why);
                }
            }
        }
        self.is_dirty |= has_changed;
        has_changed
    }

    fn test(&self, step: usize) -> Result<bool, String> {
        let (values, context) = (self.state.values(), self.context(Part::Step(step), 0, 1));
        let given = given(&values, &context);
        let tested = caught(|| self.code.test(step, given)).map_err(|miss| miss.to_string())?;
        tested.map_err(|error| match error {
            StepError::Failed(failure) => failure.to_string(),
            StepError::Undecodable(error) | StepError::Unstorable(error) => error,
        })
    }

    /// Writes down what begins, and then begins it; or nothing begins.
    pub(super) async fn begin_after_writing(
        &mut self,
        next: &Next,
        parts: Vec<Part>,
    ) -> Result<Flow> {
        let now = self.engine.clock.now();
        let before = self.state.clone();
        self.state.decide(next, now);
        match self.write(self.state.live_phase(), now, true).await? {
            Written::Yes => self.begin(parts),
            Written::Cancelled => self.state = before,
            Written::Lost => return Ok(Flow::Over),
        }
        Ok(Flow::On)
    }

    pub(super) fn begin(&mut self, parts: Vec<Part>) {
        let values: Arc<Values> = Arc::new(self.state.values());
        for part in parts {
            let (round, attempt) = self.numbers(part);
            let attempt = Attempt {
                engine: Arc::clone(&self.engine),
                code: Arc::clone(&self.code),
                part,
                context: self.context(part, round, attempt),
                values: Arc::clone(&values),
                timeout: self.timeout(part),
            };
            self.in_flight.insert(part);
            self.attempts.spawn(attempt.run());
        }
    }

    /// The round and the attempt of what is about to run.
    fn numbers(&self, part: Part) -> (u32, u32) {
        let (Part::Step(step) | Part::Undo(step)) = part else {
            return (0, self.state.hook.unwrap_or(1));
        };
        match self.state.slot(step) {
            Slot::Running(running) => (running.place.round, running.attempts.attempt),
            Slot::Undoing(undoing) => (undoing.place.round, undoing.attempts.attempt),
            _ => (0, 1),
        }
    }

    fn context(&self, part: Part, round: u32, attempt: u32) -> Context {
        let row = &self.record.row;
        Context {
            event: None,
            attempt: NonZeroU32::new(attempt).unwrap_or(NonZeroU32::MIN),
            subscription: place_of(self.code.plan(), part).into(),
            generation: round,
            edit: None,
            states: Arc::clone(&self.engine.states),
            whole: Some(Whole {
                id: row.id,
                epoch: Some(row.epoch),
                correlation: row.correlation,
                depth: row.depth,
            }),
        }
    }

    fn timeout(&self, part: Part) -> Duration {
        let plan = self.code.plan();
        match part {
            Part::Step(step) => {
                let own = plan.steps[step].timeout;
                let Some(whole) = plan.timeout else { return own };
                let left = after(self.record.row.started, whole) - self.engine.clock.now();
                own.min(Duration::try_from(left).unwrap_or_default())
            }
            Part::Undo(step) => match plan.steps[step].undo {
                UndoPlan::By { timeout, .. } => timeout,
                UndoPlan::Nothing => HOOK_TIMEOUT,
            },
            Part::OnComplete | Part::OnError => HOOK_TIMEOUT,
        }
    }
}
