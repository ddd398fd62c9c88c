//! How the bus is: what runs, waits, is parked or stuck.

use tokio::sync::oneshot;

use super::Kairo;
use crate::{
    clock::Timestamp,
    delivery::SubscriptionRow,
    engine::dispatch::{Command, Running, Status},
    error::Result,
    store::Position,
};

/// The most events that a subscription's lag counts.
pub const LAG_MAX: u64 = 1_000_000;

/// How the bus is.
///
/// ```
/// # use kairo::Kairo;
/// # async fn watch(kairo: Kairo) -> kairo::Result {
/// for it in kairo.health().await?.subscriptions {
///     println!("{} is {:?}: {} to read, {} parked", it.name, it.condition, it.lag, it.parked);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The store's URL, without secrets. A store that may lose what it has acknowledged says so here,
    /// as `durability=relaxed` does.
    pub store: String,
    /// The subscriptions of this process, by name.
    pub subscriptions: Vec<SubscriptionHealth>,
    /// Subscriptions that the store knows and nothing in this process has.
    pub orphans: Vec<String>,
    /// What fails again and again where all subscriptions depend on it: reading the end of the log,
    /// or moving delayed events into it; or what keeps readers from the end of the log, such as a
    /// transaction that somebody else has left open in a PostgreSQL server. `None` once that is over.
    pub failing: Option<String>,
}

impl Health {
    /// Whether every subscription runs, nothing waits for a newer binary, and nothing fails again
    /// and again. A subscription that lags is no bad sign by itself: it may just have been given
    /// much to do.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let runs = |it: &SubscriptionHealth| {
            matches!(it.condition, Condition::Running | Condition::Elsewhere)
                && it.newer == 0
                && it.failing.is_none()
        };
        self.failing.is_none() && self.subscriptions.iter().all(runs)
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
    /// How far it has read; how far it had come when it was last written down, if it has stopped.
    pub read_to: Position,
    /// How many events lie behind that, of the names that it selects, at most [`LAG_MAX`]. One
    /// that selects by a pattern reads every event, so all of them count.
    pub lag: u64,
    /// How many of its partitions this process has; the others belong to other processes.
    pub partitions: u32,
    /// How many handlers run at this moment.
    pub running: usize,
    /// How many events wait for a retry, or behind one that does.
    pub parked: usize,
    /// How many of them wait for a newer binary.
    pub newer: usize,
    /// How many dead letters it has.
    pub letters: u64,
    /// What reading its events, or writing its progress, failed with; both are tried again until
    /// they succeed, and then this is `None`.
    pub failing: Option<String>,
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
    /// Other processes have all of its partitions.
    Elsewhere,
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
        for running in self.shared.running_all().iter() {
            let row = rows.iter().find(|row| *row.subscription == *running.spec.name);
            subscriptions.push(self.health_of(running, row).await?);
        }
        subscriptions.sort_by(|one, other| one.name.cmp(&other.name));
        let is_here = |name: &str| subscriptions.iter().any(|known| known.name == name);
        let names = rows.into_iter().map(|row| row.subscription);
        let orphans = names.filter(|name| !is_here(name)).collect();
        let engine = &self.shared.engine;
        let failing = match engine.tail.trouble.now().or_else(|| engine.timetable.now()) {
            None => engine.backend.hindrance().await?,
            failing => failing,
        };
        let store = engine.backend.url().to_owned();
        Ok(Health { store, subscriptions, orphans, failing })
    }

    async fn health_of(
        &self,
        running: &Running,
        row: Option<&SubscriptionRow>,
    ) -> Result<SubscriptionHealth> {
        let status = status(running).await;
        let written = row.map_or(Position::START, |row| row.low_water);
        let condition = condition(status.as_ref());
        let status = status.unwrap_or_default();
        let read_to = if status.is_here { status.read_to } else { written };
        let selection = running.spec.selection();
        Ok(SubscriptionHealth {
            name: running.spec.name.to_string(),
            condition,
            read_to,
            lag: self.shared.engine.backend.count(read_to, &selection, LAG_MAX).await?,
            partitions: running.view.borrow().held.map_or(0, |(partitions, _)| partitions.len()),
            running: status.running,
            parked: status.parked,
            newer: status.newer,
            letters: row.map_or(0, |row| row.letters),
            failing: status.failing,
        })
    }
}

async fn status(running: &Running) -> Option<Status> {
    let (reply, answer) = oneshot::channel();
    running.commands.send(Command::Status(reply)).await.ok()?;
    answer.await.ok()
}

fn condition(status: Option<&Status>) -> Condition {
    match status {
        None => Condition::Stopped,
        Some(Status { paused: true, .. }) => Condition::Paused,
        Some(Status { is_here: false, .. }) => Condition::Elsewhere,
        Some(Status { open_until: Some(until), .. }) => Condition::CircuitOpen { until: *until },
        Some(Status { full: true, .. }) => Condition::Full,
        Some(_) => Condition::Running,
    }
}
