//! The dead letters, and what an operator can do about them.

use std::{fmt, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{Kairo, Shared, published::Published};
use crate::{
    delivery::{DeadLetter, LetterChange, LetterFilter},
    engine::dispatch::{Command, Running},
    error::{Error, Result},
    handler::delivery::ClosureOutput,
    store::Unit,
};

/// How many letters a bulk verb changes in one commit. Reprocessing waits for the first outcomes
/// of as many before it goes on, so a service that is down again is not run over.
const CHUNK: usize = 500;

/// How often, and after which pauses, a letter is looked at whose change ended in an error.
const LOOKS_MAX: u32 = 10;
const LOOK: Duration = Duration::from_millis(200);

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
    /// reprocessed already, or when its subscription does not run here; [`Error::Store`] when the
    /// store fails.
    pub async fn reprocess(&self, id: Uuid) -> Result<Published> {
        self.replay_one(id, None).await
    }

    /// As [`reprocess`](Self::reprocess), with another payload. The original is kept.
    ///
    /// # Errors
    /// Also [`Error::Decode`] when the event's type, where this process knows it, does not accept
    /// the payload.
    pub async fn reprocess_with(&self, id: Uuid, payload: serde_json::Value) -> Result<Published> {
        let letter = self.find(id).await?;
        if let Some(entry) = crate::event::registered(letter.original.name.as_str()) {
            (entry.check)(letter.original.schema, payload.to_string().as_bytes())?;
        }
        self.replay_one(id, Some(payload)).await
    }

    /// Deletes a letter for good. A key that it held goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such letter; [`Error::Store`] when the store fails.
    pub async fn remove(&self, id: Uuid) -> Result {
        let letter = self.find(id).await?;
        self.change(vec![LetterChange::Remove { id }]).await?;
        self.tell_gone(&letter).await;
        Ok(())
    }

    /// Reprocesses every letter that passes the filter and is dead now, in the order of the log
    /// within each key; the filter's `limit` bounds how many. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails; the letters of later chunks are then untouched.
    pub async fn reprocess_all(&self, filter: LetterFilter) -> Result<usize> {
        let mut letters = self.snapshot(filter).await?;
        letters.retain(|letter| self.shared.running(&letter.subscription).is_some());
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
        for letter in self.snapshot(filter).await? {
            match self.change(vec![LetterChange::Remove { id: letter.id }]).await {
                Ok(()) => {
                    count += 1;
                    self.tell_gone(&letter).await;
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// What passes the filter at this moment: a letter that comes later is not touched.
    async fn snapshot(&self, mut filter: LetterFilter) -> Result<Vec<DeadLetter>> {
        let now = self.shared.engine.clock.now();
        filter.dead_until = Some(filter.dead_until.map_or(now, |until| until.min(now)));
        let most = filter.limit.unwrap_or(usize::MAX);
        let mut letters: Vec<DeadLetter> = Vec::new();
        while letters.len() < most {
            filter.limit = Some(CHUNK.min(most - letters.len()));
            let page = self.list(filter.clone()).await?;
            let Some(last) = page.last() else { break };
            filter.after = Some((last.last_failed, last.id));
            letters.extend(page);
        }
        Ok(letters)
    }

    async fn find(&self, id: Uuid) -> Result<DeadLetter> {
        let letter = self.shared.engine.backend.letter(id).await?;
        letter.ok_or_else(|| Error::NotFound { what: "dead letter", value: id.to_string() })
    }

    async fn change(&self, letters: Vec<LetterChange>) -> Result {
        self.shared.engine.backend.commit(Unit { letters, ..Unit::default() }).await?;
        Ok(())
    }

    async fn replay_one(&self, id: Uuid, edited: Option<serde_json::Value>) -> Result<Published> {
        let letter = self.find(id).await?;
        let name = &letter.subscription;
        let running = self.shared.running(name).ok_or_else(|| {
            Error::WrongState(format!(
                "dead letter `{id}` belongs to subscription `{name}`, which does not run here"
            ))
        })?;
        let due = self.shared.engine.clock.now();
        let change = LetterChange::Replay { id, edited, due };
        let replayed = change.apply(letter)?;
        let (queue, subscription) = (self.clone(), Arc::clone(&running));
        // A task, so that whoever drops the call leaves no letter that nobody delivers.
        let begun =
            tokio::spawn(async move { queue.begin_replay(change, replayed, &subscription).await });
        begun.await.unwrap_or(Err(Error::Closed))?;
        Ok(Published::replayed(Arc::clone(&self.shared), id, Some(running)))
    }

    /// Writes down that a letter is delivered again, and tells its subscription.
    async fn begin_replay(
        &self,
        change: LetterChange,
        replayed: Option<DeadLetter>,
        running: &Running,
    ) -> Result {
        match self.change(vec![change]).await {
            Ok(()) => {}
            Err(error @ Error::Store { .. }) => match &replayed {
                Some(replayed) if self.is_written(replayed).await => {}
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        }
        let letters = replayed.into_iter().collect();
        running.commands.send(Command::Replay(letters)).await.map_err(|_| Error::Closed)
    }

    /// Whether a change has taken effect although the store has reported an error.
    async fn is_written(&self, changed: &DeadLetter) -> bool {
        for _ in 0..LOOKS_MAX {
            match self.find(changed.id).await {
                Ok(found) => {
                    return (found.replays, found.state) == (changed.replays, changed.state);
                }
                Err(Error::Store { .. }) => self.shared.engine.clock.sleep(LOOK).await,
                Err(_) => return false,
            }
        }
        false
    }

    /// Tells the subscription that a letter has gone, so that a key it held goes on.
    async fn tell_gone(&self, letter: &DeadLetter) {
        if let Some(running) = self.shared.running(&letter.subscription) {
            let gone = Command::LetterGone { id: letter.id, key: letter.key() };
            // A subscription that has stopped finds the letter gone when it is claimed again.
            let _ = running.commands.send(gone).await;
        }
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
