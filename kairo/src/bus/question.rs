//! Waiting for an outcome: the subscription here is asked, and where it does not know, the store.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Shared;
use crate::{
    delivery::{Fate, LetterState},
    engine::{
        dispatch::{Command, Outcome, Running, Subject, Waiter, outcome_of},
        stopped,
    },
    error::{Error, Result},
    event::name::StreamName,
    store::Position,
};

/// The pauses between two looks at the store: from this, doubling, up to that.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What became of something in a subscription?
pub(super) struct Question {
    /// The subscription.
    pub(super) name: Arc<str>,
    /// What runs it in this process, if anything does.
    pub(super) running: Option<Arc<Running>>,
    pub(super) subject: Subject,
    pub(super) key: StreamName,
    /// Whether an outcome that something follows is not enough.
    pub(super) settled: bool,
}

/// A question that was put.
pub(super) struct Asked<'a> {
    shared: &'a Shared,
    question: Question,
    /// `None` when nothing runs here that could answer.
    answer: Option<oneshot::Receiver<Outcome>>,
}

impl Question {
    /// Puts the question. Several are put before the first is waited for.
    pub(super) async fn ask(self, shared: &Shared) -> Asked<'_> {
        let answer = self.put().await;
        Asked { shared, question: self, answer }
    }

    async fn put(&self) -> Option<oneshot::Receiver<Outcome>> {
        let running = self.running.as_ref()?;
        let (reply, answer) = oneshot::channel();
        let waiter = Waiter { settled: self.settled, key: self.key.clone(), reply };
        running.commands.send(Command::Watch(Box::new((self.subject, waiter)))).await.ok()?;
        Some(answer)
    }

    /// Whether nothing will come of it: it ran here, and has stopped.
    fn is_over(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.commands.is_closed())
    }

    /// What the store says, as far as that is an answer.
    async fn look(&self, shared: &Shared) -> Result<Option<Outcome>> {
        let outcome = match self.subject {
            Subject::Event(position) => self.look_at_event(shared, position).await,
            Subject::Letter(id) => look_at_letter(shared, id).await,
        };
        match outcome {
            Ok(outcome) => Ok(outcome.filter(|outcome| outcome.is_settled() || !self.settled)),
            Err(Error::Closed) => Err(Error::Closed),
            Err(error) => {
                tracing::debug!(%error, "what became of an event cannot be read");
                Ok(None)
            }
        }
    }

    async fn look_at_event(&self, shared: &Shared, position: Position) -> Result<Option<Outcome>> {
        let fate = shared.engine.backend.fate(&self.name, &self.key, position).await?;
        let is_paused = || self.running.as_ref().is_some_and(|it| it.view.borrow().paused);
        Ok(match fate {
            None => Some(Outcome::Stopped),
            Some(Fate::Done) => Some(Outcome::Done),
            Some(Fate::Dead(letter)) => Some(Outcome::Dead { letter }),
            Some(Fate::Parked(state)) => outcome_of(state),
            Some(Fate::Ahead) => is_paused().then_some(Outcome::Paused),
        })
    }
}

/// A letter that has gone is taken for done: that it was removed instead is known to its owner.
async fn look_at_letter(shared: &Shared, id: Uuid) -> Result<Option<Outcome>> {
    let Some(letter) = shared.engine.backend.letter(id).await? else {
        return Ok(Some(Outcome::Done));
    };
    Ok(match letter.state {
        LetterState::Dead => Some(Outcome::Dead { letter: id }),
        LetterState::Replaying { due } if 0 < letter.attempts => {
            Some(Outcome::Retrying { until: due })
        }
        LetterState::Replaying { .. } => None,
    })
}

impl Asked<'_> {
    /// The subscription's name.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.question.name)
    }

    /// Waits for the answer. One subscription that has stopped says so; when the bus itself stops,
    /// nobody is waited for.
    pub(super) async fn outcome(mut self) -> Result<Outcome> {
        match answered(self.answer.take()).await {
            Some(outcome) => Ok(outcome),
            None => self.outcome_elsewhere().await,
        }
    }

    /// Looks at the store, and asks here again from time to time.
    async fn outcome_elsewhere(self) -> Result<Outcome> {
        let Self { shared, question, .. } = self;
        let (mut others, mut stop) =
            (shared.engine.backend.watch_others(), shared.engine.stopping());
        let mut pause = PAUSE_FIRST;
        loop {
            if *stop.borrow() {
                return Err(Error::Closed);
            }
            if question.is_over() {
                return Ok(Outcome::Stopped);
            }
            others.mark_unchanged();
            if let Some(outcome) = question.look(shared).await? {
                return Ok(outcome);
            }
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Err(Error::Closed),
                () = shared.engine.clock.sleep(pause) => {}
                Ok(()) = others.changed(), if PAUSE_FIRST < pause => {}
            }
            pause = (2 * pause).min(PAUSE_MAX);
            if let Some(outcome) = answered(question.put().await).await {
                return Ok(outcome);
            }
        }
    }
}

/// The answer of the subscription here; `None` when it cannot tell.
async fn answered(answer: Option<oneshot::Receiver<Outcome>>) -> Option<Outcome> {
    answer?.await.ok()
}
