//! Changing a letter so that its subscription hears of it, even when the store's answer is an error.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::Shared;
use crate::{
    delivery::{DeadLetter, LetterChange},
    engine::{Engine, dispatch::Command},
    error::{Error, Result},
    store::Unit,
};

/// How often, and after which pauses, a letter is looked at whose change ended in an error, while
/// the caller waits.
const LOOKS_MAX: u32 = 10;
const LOOK: Duration = Duration::from_millis(200);

/// How often it is looked at afterwards, after pauses that double up to the longest: about a day.
const LATER_LOOKS_MAX: u32 = 3_000;
const LATER_LOOK_MAX: Duration = Duration::from_secs(30);

/// A change of one letter, with what it should come to.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) id: Uuid,
    pub(super) subscription: Arc<str>,
    pub(super) asked: LetterChange,
    /// The letter behind the change, unless it goes away.
    pub(super) wanted: Option<DeadLetter>,
}

impl Change {
    /// Makes the change and tells the subscription. Once begun it does not stop half-way, even if
    /// nobody waits for it any more.
    ///
    /// When the store fails, it is asked whether it has made the change all the same: a letter that
    /// it takes for being reprocessed, and nobody delivers, would be stuck, and so would a key whose
    /// letter has gone. Where it cannot say, it is asked later again, until the bus stops.
    pub(super) async fn make(self, shared: &Arc<Shared>) -> Result {
        let shared = Arc::clone(shared);
        let work = async move {
            let engine = &shared.engine;
            let unit = Unit { letters: vec![self.asked.clone()], ..Unit::default() };
            let Err(error) = engine.backend.commit(unit).await else {
                return self.tell(engine).await;
            };
            if !matches!(error, Error::Store { .. }) {
                return Err(error);
            }
            for _ in 0..LOOKS_MAX {
                match self.is_made(engine).await {
                    Some(true) => return self.tell(engine).await,
                    Some(false) => return Err(error),
                    None => engine.clock.sleep(LOOK).await,
                }
            }
            shared.keep(tokio::spawn(self.look_later(Arc::clone(engine))));
            Err(error)
        };
        tokio::spawn(work).await.unwrap_or(Err(Error::Closed))
    }

    /// Asks the store until it can say whether the change was made.
    async fn look_later(self, engine: Arc<Engine>) {
        let mut pause = LOOK;
        for _ in 0..LATER_LOOKS_MAX {
            engine.clock.sleep(pause).await;
            match self.is_made(&engine).await {
                Some(true) => {
                    // A subscription that has stopped finds out when it is claimed again.
                    let _ = self.tell(&engine).await;
                    return;
                }
                Some(false) => return,
                None => pause = LATER_LOOK_MAX.min(pause * 2),
            }
        }
        tracing::error!(subscription = %self.subscription, letter = %self.id,
            "it is not known whether a dead letter was changed, because the store keeps failing");
    }

    /// Whether the store has made the change; `None` while it cannot say.
    async fn is_made(&self, engine: &Engine) -> Option<bool> {
        match (engine.backend.letter(self.id).await, &self.wanted) {
            (Ok(Some(found)), Some(wanted)) => {
                Some((found.replays, found.state) == (wanted.replays, wanted.state))
            }
            (Ok(None), None) => Some(true),
            (Err(Error::Store { .. }), _) => None,
            (Ok(_) | Err(_), _) => Some(false),
        }
    }

    /// Tells the subscription of this process, if it has one.
    async fn tell(&self, engine: &Engine) -> Result {
        let Some(running) = engine.roster.find(&self.subscription) else { return Ok(()) };
        let command = match &self.wanted {
            Some(letter) => Command::Replay(vec![letter.clone()]),
            None => Command::LetterGone(self.id),
        };
        match running.commands.send(command).await {
            Err(_) if self.wanted.is_some() => Err(Error::Closed),
            // A subscription that has stopped finds the letter gone when it is claimed again.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
