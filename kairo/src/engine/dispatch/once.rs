//! Attempts whose effects happen once: they commit together with the fact that the event was handled.

use std::{pin::pin, sync::Arc};

use super::deliver::{Run, RunMiss, run_once};
use crate::{
    delivery::{Mark, MarkKey},
    engine::tx::{Desk, Tx},
    error::Error,
    event::record::{EventData, Recorded},
    handler::{
        Context, Failure,
        delivery::{Delivery, Payload, RunError},
    },
};

impl Run<'_> {
    /// An attempt whose effects, and what it publishes, commit together with the fact that the event
    /// was handled. Where that is a fact already, there is nothing to do.
    pub(super) async fn attempt_in_transaction(&mut self) -> Result<Vec<EventData>, RunMiss> {
        let mark = self.claim.map(|epoch| self.mark(epoch));
        if let Some(mark) = &mark
            && self.engine.backend.is_marked(&mark.key).await.map_err(of_store)?
        {
            return Ok(Vec::new());
        }
        let desk = Desk::of_run(self.engine, &self.scope);
        let delivery = Delivery { payload: &Payload::Logged, context: self.scope.context() };
        let run = async {
            let run = Arc::clone(&self.scope).enter(self.spec.run(delivery));
            desk.run(self.engine, run)
                .await
                .unwrap_or_else(|too_long| Err(RunError::Failed(Failure::retryable(too_long))))
        };
        let drafts = run_once(pin!(run), self.spec, self.engine).await?;
        let begin = || Tx::begin(self.engine, Some(Arc::clone(&self.scope)));
        let mut tx = desk.take().unwrap_or_else(begin);
        for draft in drafts {
            tx.append(draft).map_err(|error| RunError::Failed(Failure::permanent(error)))?;
        }
        match tx.commit_with(mark, None).await {
            Ok(_) | Err(Error::AlreadyHandled { .. }) => Ok(Vec::new()),
            Err(error) => Err(of_store(error)),
        }
    }

    fn mark(&self, epoch: u64) -> Mark {
        let Context { subscription, generation, edit, .. } = self.scope.context();
        let Recorded { position, event, .. } = &*self.job.event;
        let (subscription, event) = (subscription.to_string(), edit.unwrap_or(event.id));
        Mark {
            key: MarkKey { subscription, generation: *generation, event },
            epoch: Some(epoch),
            position: *position,
            time: self.engine.clock.now(),
        }
    }
}

/// Why an attempt brought nothing whose transaction the store did not take.
fn of_store(error: Error) -> RunMiss {
    match error {
        // Somebody else has the subscription, or the bus has stopped: the attempt does not count.
        Error::Fenced { .. } | Error::Closed => RunMiss::GivenBack,
        error => RunError::Failed(Failure::from(error)).into(),
    }
}
