//! What `publish` returns: where the event is, and a way to wait for its handlers.

use std::{fmt, sync::Arc};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Shared, ephemeral::Ran};
use crate::{
    engine::dispatch::{Command, Outcome, Running, Subject, Waiter, scope::refuse_in_handler},
    error::{Error, Result},
    event::name::EventName,
    store::{Placed, Position},
};

/// One or more events that are durable, or in the case of ephemeral ones handled.
///
/// Most publishers are done here and drop it, which cancels nothing.
#[derive(Clone)]
pub struct Published {
    state: State,
}

#[derive(Clone)]
enum State {
    InLog { shared: Arc<Shared>, subscriptions: Arc<[Arc<Running>]>, events: Vec<PublishedEvent> },
    Delayed(Uuid),
    Replayed { shared: Arc<Shared>, letter: Uuid, subscription: Option<Arc<Running>> },
    Ephemeral(Ran),
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(super) struct PublishedEvent {
    pub(super) name: EventName,
    pub(super) placed: Placed,
}

impl Published {
    pub(super) const fn in_log(
        shared: Arc<Shared>,
        subscriptions: Arc<[Arc<Running>]>,
        events: Vec<PublishedEvent>,
    ) -> Self {
        Self { state: State::InLog { shared, subscriptions, events } }
    }

    pub(super) const fn delayed(id: Uuid) -> Self {
        Self { state: State::Delayed(id) }
    }

    pub(super) const fn replayed(
        shared: Arc<Shared>,
        letter: Uuid,
        subscription: Option<Arc<Running>>,
    ) -> Self {
        Self { state: State::Replayed { shared, letter, subscription } }
    }

    pub(super) const fn ephemeral(ran: Ran) -> Self {
        Self { state: State::Ephemeral(ran) }
    }

    /// The id of the event, or of the first of several; of the letter that is reprocessed; nil for
    /// an ephemeral event, which has none.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match &self.state {
            State::InLog { events, .. } => {
                events.first().map_or(Uuid::nil(), |event| event.placed.id)
            }
            State::Delayed(id) | State::Replayed { letter: id, .. } => *id,
            State::Ephemeral(_) => Uuid::nil(),
        }
    }

    /// The ids of all events, in the order in which they were published.
    #[must_use]
    pub fn ids(&self) -> Vec<Uuid> {
        match &self.state {
            State::InLog { events, .. } => events.iter().map(|event| event.placed.id).collect(),
            State::Delayed(id) | State::Replayed { letter: id, .. } => vec![*id],
            State::Ephemeral(_) => Vec::new(),
        }
    }

    /// The place of the last event in the log; `None` while there is none.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.last().map(|event| event.placed.position)
    }

    /// The version of the last event in its stream; `None` while there is none.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.last().map(|event| event.placed.version)
    }

    /// The places of the events that are in the log.
    pub(crate) fn placed(&self) -> impl Iterator<Item = Placed> {
        let events = match &self.state {
            State::InLog { events, .. } => events.as_slice(),
            State::Delayed(_) | State::Replayed { .. } | State::Ephemeral(_) => &[],
        };
        events.iter().map(|event| event.placed)
    }

    fn last(&self) -> Option<&PublishedEvent> {
        match &self.state {
            State::InLog { events, .. } => events.last(),
            State::Delayed(_) | State::Replayed { .. } | State::Ephemeral(_) => None,
        }
    }

    /// Waits until every durable subscription that existed at the publish has had a first outcome:
    /// done, retrying later, dead, or paused.
    ///
    /// # Errors
    /// [`Error::Misuse`] at once inside a handler, which would wait for itself, and for a delayed
    /// event; [`Error::Closed`] when the bus stops first. Dropping the future cancels nothing.
    pub async fn handled(&self) -> Result<Handled> {
        self.outcomes(false).await
    }

    /// Waits until every durable subscription that existed at the publish is done with the event,
    /// or has buried it. That may take as long as the retries do.
    ///
    /// # Errors
    /// As [`handled`](Self::handled).
    pub async fn settled(&self) -> Result<Handled> {
        self.outcomes(true).await
    }

    async fn outcomes(&self, settled: bool) -> Result<Handled> {
        refuse_in_handler()?;
        let mut asked = Vec::new();
        let shared = match &self.state {
            State::Ephemeral(ran) => return Ok(ran.handled()),
            State::Delayed(_) => {
                return Err(Error::Misuse("a delayed event is not handled before it is due"));
            }
            State::Replayed { shared, letter, subscription } => {
                let Some(running) = subscription else {
                    return Err(Error::Misuse("the letter's subscription runs in another process"));
                };
                asked.push(ask(running, Subject::Letter(*letter), settled).await);
                shared
            }
            State::InLog { shared, subscriptions, events } => {
                for event in events {
                    let subject = Subject::Event(event.placed.position);
                    let name = event.name.as_str();
                    for running in subscriptions.iter().filter(|it| it.spec.interest.wants(name)) {
                        asked.push(ask(running, subject, settled).await);
                    }
                }
                shared
            }
        };
        let mut outcomes = Vec::with_capacity(asked.len());
        for (name, reply) in asked {
            outcomes.push((name, answer(shared, reply).await?));
        }
        Ok(Handled { outcomes })
    }
}

/// A subscription's name, and its answer unless it has stopped.
type Asked = (Arc<str>, Option<oneshot::Receiver<Outcome>>);

async fn ask(running: &Running, subject: Subject, settled: bool) -> Asked {
    let (reply, answer) = oneshot::channel();
    let command = Command::Watch(subject, Waiter { settled, reply });
    let sent = running.commands.send(command).await;
    (Arc::clone(&running.spec.name), sent.is_ok().then_some(answer))
}

/// One subscription that has stopped says so; when the bus itself stops, nobody is waited for.
async fn answer(shared: &Shared, reply: Option<oneshot::Receiver<Outcome>>) -> Result<Outcome> {
    let outcome = match reply {
        Some(reply) => reply.await.ok(),
        None => None,
    };
    match outcome {
        Some(outcome) => Ok(outcome),
        None if *shared.engine.stop.borrow() => Err(Error::Closed),
        None => Ok(Outcome::Stopped),
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("ids", &self.ids())
            .field("position", &self.position())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// What became of published events, for each subscription that wanted them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    pub(super) outcomes: Vec<(Arc<str>, Outcome)>,
}

impl Handled {
    /// The outcome in each subscription, by its durable name; several events give one each.
    pub fn outcomes(&self) -> impl Iterator<Item = (&str, Outcome)> {
        self.outcomes.iter().map(|(name, outcome)| (&**name, *outcome))
    }

    /// The outcome in the subscription whose durable name is, or ends with, `name`.
    #[must_use]
    pub fn outcome(&self, name: &str) -> Option<Outcome> {
        let is_meant = |full: &str| {
            full.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        };
        self.outcomes().find(|(full, _)| is_meant(full)).map(|(_, outcome)| outcome)
    }

    /// Whether every subscription is done with every event.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Done)
    }
}
