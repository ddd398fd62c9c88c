//! The dead letters, and what an operator can do about them.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::{
    Kairo, Shared,
    letter_change::Change,
    published::{Published, Replayed},
};
use crate::{
    delivery::{DeadLetter, LetterChange, LetterFilter, LetterState},
    engine::dispatch::{Command, Running},
    error::{Error, Result},
    handler::delivery::ClosureOutput,
    store::{PAYLOAD_MAX, Position},
};

/// How many letters a bulk verb reads at once. Reprocessing waits for the first outcomes of as many
/// before it goes on, so a service that is down again is not run over.
const CHUNK: usize = 500;

/// The dead letters of a bus.
#[derive(Clone)]
pub struct DeadLetterQueue {
    shared: Arc<Shared>,
}

impl DeadLetterQueue {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The letters that pass the filter, oldest first; 100 of them unless it states a limit.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails.
    pub async fn list(&self, filter: LetterFilter) -> Result<Vec<DeadLetter>> {
        self.shared.engine.backend.letters(filter).await
    }

    /// One letter.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this id; [`Error::Store`] when the store fails.
    pub async fn get(&self, id: Uuid) -> Result<DeadLetter> {
        self.find(id).await
    }

    /// Delivers the event again to the handler that failed, alone and late; the attempts restart.
    ///
    /// The letter goes away when the handler succeeds, and is dead again when it does not.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such letter; [`Error::WrongState`] when it is being
    /// reprocessed already, or when its subscription does not run here and no other process can
    /// have it; [`Error::Store`] when the store fails.
    pub async fn reprocess(&self, id: Uuid) -> Result<Published> {
        self.replay_one(id, None).await
    }

    /// As [`reprocess`](Self::reprocess), with another payload, in the shape that the event had when
    /// it was published. The original is kept.
    ///
    /// # Errors
    /// Also [`Error::PayloadTooLarge`], and [`Error::Decode`] when the event's type, where this process knows it, does not accept
    /// the payload.
    pub async fn reprocess_with(&self, id: Uuid, payload: serde_json::Value) -> Result<Published> {
        let letter = self.find(id).await?;
        let (event, json) = (letter.original.name.as_str(), payload.to_string());
        if PAYLOAD_MAX < json.len() {
            let (event, bytes) = (event.to_owned(), json.len());
            return Err(Error::PayloadTooLarge { event, bytes, limit: PAYLOAD_MAX });
        }
        if let Some(entry) = crate::event::registered(event) {
            (entry.check)(letter.original.schema, json.as_bytes())?;
        }
        self.replay_one(id, Some(payload)).await
    }

    /// Deletes a letter for good. A key that it held goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such letter; [`Error::Store`] when the store fails, and
    /// then the letter may have gone: repeat the call, which ends in `NotFound` if it has.
    pub async fn remove(&self, id: Uuid) -> Result {
        let marked = Marked::of(self.find(id).await?);
        self.remove_marked(marked).await
    }

    /// Reprocesses every letter that passes the filter and is dead now, in the order of the log
    /// within each key; the filter's `limit` bounds how many. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails; the letters of later chunks are then untouched.
    pub async fn reprocess_all(&self, filter: LetterFilter) -> Result<usize> {
        let mut letters = self.snapshot(filter).await?;
        let can_run = |letter: &Marked| {
            self.shared.engine.is_shared || self.shared.running(&letter.subscription).is_some()
        };
        letters.retain(can_run);
        letters.sort_by_key(|letter| letter.position);
        let mut count = 0;
        for chunk in letters.chunks(CHUNK) {
            let mut replayed = Vec::with_capacity(chunk.len());
            for letter in chunk {
                match self.replay_one(letter.id, None).await {
                    Ok(published) => replayed.push(published),
                    // Somebody else was faster with this one.
                    Err(Error::NotFound { .. } | Error::WrongState(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            count += replayed.len();
            for published in replayed {
                published.handled().await?;
            }
        }
        Ok(count)
    }

    /// Deletes every letter that passes the filter and is dead now; the filter's `limit` bounds
    /// how many. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails; the letters of later chunks are then untouched.
    pub async fn remove_all(&self, filter: LetterFilter) -> Result<usize> {
        let mut count = 0;
        for marked in self.snapshot(filter).await? {
            match self.remove_marked(marked).await {
                Ok(()) => count += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// What passes the filter and is dead at this moment: a letter that comes later is not touched.
    async fn snapshot(&self, mut filter: LetterFilter) -> Result<Vec<Marked>> {
        let now = self.shared.engine.clock.now();
        filter.dead_until = Some(filter.dead_until.map_or(now, |until| until.min(now)));
        let most = filter.limit.unwrap_or(usize::MAX);
        let mut marked: Vec<Marked> = Vec::new();
        while marked.len() < most {
            filter.limit = Some(CHUNK.min(most - marked.len()));
            let page = self.list(filter.clone()).await?;
            let Some(last) = page.last() else { break };
            filter.after = Some((last.last_failed, last.id));
            let dead = page.into_iter().filter(|letter| letter.state == LetterState::Dead);
            marked.extend(dead.map(Marked::of));
        }
        Ok(marked)
    }

    /// One letter. One that is not there holds nothing, and every subscription hears that: whoever
    /// removed it may have died, or have been told that the store failed.
    async fn find(&self, id: Uuid) -> Result<DeadLetter> {
        if let Some(letter) = self.shared.engine.backend.letter(id).await? {
            return Ok(letter);
        }
        for running in self.shared.running_all().iter() {
            tell_gone(running, id).await;
        }
        Err(Error::NotFound { what: "dead letter", value: id.to_string() })
    }

    async fn replay_one(&self, id: Uuid, edited: Option<serde_json::Value>) -> Result<Published> {
        let letter = self.find(id).await?;
        let name: Arc<str> = letter.subscription.as_str().into();
        let key = letter.original.stream.clone();
        let running = self.shared.running(&letter.subscription);
        if running.is_none() && !self.shared.engine.is_shared {
            return Err(Error::WrongState(format!(
                "dead letter `{id}` belongs to subscription `{name}`, which does not run here"
            )));
        }
        let due = self.shared.engine.clock.now();
        let change = LetterChange::Replay { id, edited, due };
        let replayed = change.apply(letter)?;
        let subscription = Arc::clone(&name);
        Change { id, subscription, asked: change, wanted: replayed }.make(&self.shared).await?;
        let replayed = Replayed { letter: id, key, subscription: name, running };
        Ok(Published::replayed(Arc::clone(&self.shared), replayed))
    }

    async fn remove_marked(&self, marked: Marked) -> Result {
        let Marked { id, subscription, .. } = marked;
        Change { id, subscription, asked: LetterChange::Remove { id }, wanted: None }
            .make(&self.shared)
            .await
    }
}

/// Lets go of what a letter holds.
async fn tell_gone(running: &Running, id: Uuid) {
    // A subscription that has stopped finds the letter gone when it is claimed again.
    let _ = running.commands.send(Command::LetterGone(id)).await;
}

/// What is kept of a letter while many of them are worked off.
struct Marked {
    id: Uuid,
    subscription: Arc<str>,
    position: Position,
}

impl Marked {
    fn of(letter: DeadLetter) -> Self {
        let DeadLetter { id, subscription, position, .. } = letter;
        Self { id, subscription: subscription.into(), position }
    }
}

impl fmt::Debug for DeadLetterQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterQueue").finish_non_exhaustive()
    }
}

impl Kairo {
    /// Subscribes a closure to every event that dies, under a durable name. Its own failures make
    /// letters, but no further events.
    ///
    /// # Errors
    /// As [`Subscribe::handle`](super::Subscribe::handle).
    pub async fn on_dead_letter<F, Fut>(
        &self,
        name: impl Into<Arc<str>>,
        handler: F,
    ) -> Result<super::Subscription>
    where
        F: Fn(crate::Envelope<DeadLetter>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        self.subscribe::<DeadLetter>(name).silent().handle(handler).await
    }
}
