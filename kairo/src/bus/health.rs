//! How the bus is: what runs, waits, is parked or stuck.

use tokio::sync::oneshot;

use super::Kairo;
use crate::{
    clock::Timestamp,
    engine::dispatch::{Command, Running, Status},
    error::Result,
    store::Position,
};

/// How the bus is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The subscriptions of this process, by name.
    pub subscriptions: Vec<SubscriptionHealth>,
    /// Subscriptions that the store knows and nothing in this process has.
    pub orphans: Vec<String>,
}

impl Health {
    /// Whether every subscription runs, and nothing waits for a newer binary.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let runs = |it: &SubscriptionHealth| it.condition == Condition::Running && it.newer == 0;
        self.subscriptions.iter().all(runs)
    }
}

/// How a subscription is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionHealth {
    /// The durable name.
    pub name: String,
    /// Whether it runs.
    pub condition: Condition,
    /// How far it has read.
    pub read_to: Position,
    /// How many handlers run at this moment.
    pub running: usize,
    /// How many events wait for a retry, or behind one that does.
    pub parked: usize,
    /// How many of them wait for a newer binary.
    pub newer: usize,
    /// How many dead letters it has.
    pub letters: u64,
}

/// Whether a subscription runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// It does.
    Running,
    /// It has been paused by hand.
    Paused,
    /// Most attempts failed; nothing new begins before this time.
    CircuitOpen {
        /// When one event tries again.
        until: Timestamp,
    },
    /// It has parked so many events that it reads no further.
    Full,
    /// It has lost its claim, or its store is closed.
    Stopped,
}

impl Kairo {
    /// How the bus is at this moment.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when the store cannot say.
    pub async fn health(&self) -> Result<Health> {
        let rows = self.shared.engine.backend.subscriptions().await?;
        let mut subscriptions = Vec::new();
        for running in self.shared.subscriptions().iter() {
            let name = running.spec.name.to_string();
            let letters =
                rows.iter().find(|row| row.subscription == name).map_or(0, |row| row.letters);
            subscriptions.push(describe(name, letters, status(running).await));
        }
        subscriptions.sort_by(|one, other| one.name.cmp(&other.name));
        let is_here = |name: &str| subscriptions.iter().any(|known| known.name == name);
        let names = rows.into_iter().map(|row| row.subscription);
        let orphans = names.filter(|name| !is_here(name)).collect();
        Ok(Health { subscriptions, orphans })
    }
}

async fn status(running: &Running) -> Option<Status> {
    let (reply, answer) = oneshot::channel();
    running.commands.send(Command::Status(reply)).await.ok()?;
    answer.await.ok()
}

fn describe(name: String, letters: u64, status: Option<Status>) -> SubscriptionHealth {
    let condition = match status {
        None => Condition::Stopped,
        Some(Status { paused: true, .. }) => Condition::Paused,
        Some(Status { open_until: Some(until), .. }) => Condition::CircuitOpen { until },
        Some(Status { full: true, .. }) => Condition::Full,
        Some(_) => Condition::Running,
    };
    SubscriptionHealth {
        name,
        condition,
        read_to: status.map_or(Position::START, |status| status.read_to),
        running: status.map_or(0, |status| status.running),
        parked: status.map_or(0, |status| status.parked),
        newer: status.map_or(0, |status| status.newer),
        letters,
    }
}
