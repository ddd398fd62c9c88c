//! What an operator does to a subscription, whoever runs it.

use tokio::sync::oneshot;

use super::Shared;
use crate::{
    clock::Timestamp,
    delivery::Steer,
    engine::dispatch::{Command, Hold, scope::refuse_in_handler},
    error::{Error, Result},
    nearest::nearest,
    store::{Position, Selection},
};

impl Shared {
    pub(super) async fn pause(&self, name: &str) -> Result {
        self.steer(name, Steer::Pause).await?;
        let (reply, paused) = oneshot::channel();
        if let Some(running) = self.running(name)
            && running.commands.send(Command::Pause(Some(reply))).await.is_ok()
        {
            // One that stops in this moment is still as well.
            let _ = paused.await;
        }
        Ok(())
    }

    pub(super) async fn resume(&self, name: &str) -> Result {
        self.steer(name, Steer::Resume).await?;
        if let Some(running) = self.running(name) {
            // One that has stopped finds it in the store when it is claimed again.
            let _ = running.commands.send(Command::Resume).await;
        }
        Ok(())
    }

    /// Lets it go on behind a place in the log.
    pub(super) async fn rewind(&self, name: &str, to: Position) -> Result {
        let head = self.engine.backend.head().await?;
        if head < to {
            let allowed = format!("the log ends at {head}");
            return Err(Error::invalid("position", to.to_string(), allowed));
        }
        self.steer_still(name, Steer::Move { to }).await
    }

    /// The place before the first event that was published at a time or later; the log's end when
    /// there is none.
    pub(super) async fn place_before(&self, time: Timestamp) -> Result<Position> {
        let later = Selection::Between { names: Vec::new(), from: time, until: Timestamp::MAX };
        let mut after = Position::START;
        loop {
            let page = self.engine.backend.read_log(after, &later, 1).await?;
            match page.events.first() {
                Some(event) => return Ok(event.position.preceding()),
                None if page.complete || page.end == after => return Ok(page.end),
                None => after = page.end,
            }
        }
    }

    pub(super) async fn skip(&self, name: &str, position: Position) -> Result {
        self.steer_still(name, Steer::Skip { position }).await
    }

    /// Steers a subscription that is drained first where it runs here, so that nothing that ran is
    /// thrown away.
    async fn steer_still(&self, name: &str, steer: Steer) -> Result {
        refuse_in_handler()?;
        let _still = match self.running(name) {
            Some(running) => Some(Hold::of(&running.commands).await),
            None => None,
        };
        self.steer(name, steer).await
    }

    async fn steer(&self, name: &str, steer: Steer) -> Result {
        if self.ephemerals().has(name) {
            return Err(Error::Misuse(
                "a subscription of ephemeral events has no place in the log: it cannot be paused \
                 or moved",
            ));
        }
        match self.engine.backend.steer(name.to_owned(), steer).await {
            Err(Error::NotFound { what: "subscription", .. }) => Err(self.unknown(name).await),
            steered => steered,
        }
    }

    /// What is said of a name that the store does not have.
    pub(super) async fn unknown(&self, name: &str) -> Error {
        let rows = match self.engine.backend.subscriptions().await {
            Ok(rows) => rows,
            Err(error) => return error,
        };
        let near = nearest(name, rows.iter().map(|row| row.subscription.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Error::NotFound { what: "subscription", value: format!("{name}{hint}") }
    }
}
