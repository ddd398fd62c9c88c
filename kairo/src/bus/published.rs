//! What `publish` returns: where the event is, and a way to wait for its handlers.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::{Shared, ephemeral::Ran, question::Question};
use crate::{
    engine::dispatch::{Outcome, Running, Subject, scope::refuse_in_handler},
    error::{Error, Result},
    event::name::{EventName, StreamName},
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
    InLog {
        shared: Arc<Shared>,
        subscriptions: Arc<[Arc<Running>]>,
        events: Vec<PublishedEvent>,
    },
    Delayed(Uuid),
    /// In a transaction that has not ended.
    Uncommitted(Uuid),
    Replayed(Arc<Shared>, Replayed),
    Ephemeral(Ran),
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(super) struct PublishedEvent {
    pub(super) name: EventName,
    pub(super) stream: StreamName,
    pub(super) placed: Placed,
}

/// A letter that is being reprocessed.
#[derive(Clone)]
pub(super) struct Replayed {
    pub(super) letter: Uuid,
    pub(super) key: StreamName,
    pub(super) subscription: Arc<str>,
    /// What runs it in this process, if anything does.
    pub(super) running: Option<Arc<Running>>,
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

    pub(super) const fn uncommitted(id: Uuid) -> Self {
        Self { state: State::Uncommitted(id) }
    }

    pub(super) const fn replayed(shared: Arc<Shared>, replayed: Replayed) -> Self {
        Self { state: State::Replayed(shared, replayed) }
    }

    pub(super) const fn ephemeral(ran: Ran) -> Self {
        Self { state: State::Ephemeral(ran) }
    }

    /// Whether a loss of power can still take the events, because the store's URL says so: with
    /// `durability=relaxed` or `synchronous=normal`.
    #[must_use]
    pub fn is_relaxed(&self) -> bool {
        match &self.state {
            State::InLog { shared, .. } => shared.engine.backend.is_relaxed(),
            State::Delayed(_)
            | State::Uncommitted(_)
            | State::Replayed(..)
            | State::Ephemeral(_) => false,
        }
    }

    /// The id of the event, or of the first of several; of the letter that is reprocessed; nil for
    /// an ephemeral event, which has none.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match &self.state {
            State::InLog { events, .. } => {
                events.first().map_or(Uuid::nil(), |event| event.placed.id)
            }
            State::Delayed(id)
            | State::Uncommitted(id)
            | State::Replayed(_, Replayed { letter: id, .. }) => *id,
            State::Ephemeral(_) => Uuid::nil(),
        }
    }

    /// The ids of all events, in the order in which they were published.
    #[must_use]
    pub fn ids(&self) -> Vec<Uuid> {
        match &self.state {
            State::InLog { events, .. } => events.iter().map(|event| event.placed.id).collect(),
            State::Delayed(id)
            | State::Uncommitted(id)
            | State::Replayed(_, Replayed { letter: id, .. }) => vec![*id],
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
            _ => &[],
        };
        events.iter().map(|event| event.placed)
    }

    fn last(&self) -> Option<&PublishedEvent> {
        match &self.state {
            State::InLog { events, .. } => events.last(),
            _ => None,
        }
    }

    /// Waits until every durable subscription that existed in this process at the publish has had a
    /// first outcome: done, retrying later, dead, or paused. Where processes share the store, any of
    /// them may be the one that handles the event.
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
        match &self.state {
            State::Ephemeral(ran) => return Ok(ran.handled()),
            State::Delayed(_) => {
                return Err(Error::Misuse("a delayed event is not handled before it is due"));
            }
            State::Uncommitted(_) => {
                return Err(Error::Misuse(
                    "an event is not handled before its transaction commits",
                ));
            }
            State::Replayed(shared, replayed) => {
                let Replayed { letter, key, subscription, running } = replayed;
                let (name, running) = (Arc::clone(subscription), running.clone());
                let subject = Subject::Letter(*letter);
                let question = Question { name, running, subject, key: key.clone(), settled };
                asked.push(question.ask(shared).await);
            }
            State::InLog { shared, subscriptions, events } => {
                for event in events {
                    let (name, subject) =
                        (event.name.as_str(), Subject::Event(event.placed.position));
                    for running in subscriptions.iter().filter(|it| it.spec.interest.wants(name)) {
                        let (name, key) = (Arc::clone(&running.spec.name), event.stream.clone());
                        let running = Some(Arc::clone(running));
                        let question = Question { name, running, subject, key, settled };
                        asked.push(question.ask(shared).await);
                    }
                }
            }
        }
        let mut outcomes = Vec::with_capacity(asked.len());
        for asked in asked {
            outcomes.push((asked.name(), asked.outcome().await?));
        }
        Ok(Handled { outcomes })
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
