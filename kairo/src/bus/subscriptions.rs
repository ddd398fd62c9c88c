//! All subscriptions of a store: where they are, who runs them, and the verbs for them.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::{LAG_MAX, Shared};
use crate::{
    clock::Timestamp,
    delivery::{FailedAttempt, Share, SubscriptionRow},
    engine::dispatch::{Running, scope::refuse_in_handler},
    error::{Error, Result},
    store::{Position, Selection},
};

/// The subscriptions of the store, of whatever process.
///
/// ```
/// # use kairo::Kairo;
/// # async fn operate(kairo: Kairo) -> kairo::Result {
/// for it in kairo.subscriptions().list().await? {
///     println!("{} is at {}, {} to read, {} dead", it.name, it.position, it.lag, it.letters);
/// }
/// kairo.subscriptions().rewind("shop::mail::welcome", kairo::Position::START).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Subscriptions {
    shared: Arc<Shared>,
}

/// A subscription as the store knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// The durable name.
    pub name: String,
    /// Everything up to here is finished, parked or dead, as far as it was written down.
    pub position: Position,
    /// How many events lie behind that, at most [`LAG_MAX`]. Where this process runs it and it
    /// selects by names, they are those of its names, else all; and where some of its partitions
    /// are further than others, some are handled already.
    pub lag: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// Rises with every rewind.
    pub generation: u32,
    /// How many partitions it has.
    pub partitions: u32,
    /// The processes that have some of them; what nobody has is taken over soon, if any process
    /// can.
    pub owners: Vec<Owner>,
    /// How many events wait for a retry, behind one that does, or for a newer binary.
    pub parked: u64,
    /// How many dead letters it has.
    pub letters: u64,
    /// What failed last, so that it had to wait for a retry or was dead, whatever has become of it
    /// since; in any process.
    pub failure: Option<FailedAttempt>,
}

/// A process that has partitions of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// Its id, drawn at random at its start; nil where processes cannot share the store.
    pub member: Uuid,
    /// Its host and process id, if this process has heard of it.
    pub name: Option<String>,
    /// Whether it is this process.
    pub is_here: bool,
    /// How many partitions it has.
    pub partitions: u32,
}

impl Subscriptions {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// All subscriptions of the store, by name.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails.
    pub async fn list(&self) -> Result<Vec<SubscriptionInfo>> {
        let mut list = Vec::new();
        for row in self.shared.engine.backend.subscriptions().await? {
            list.push(self.info(row).await?);
        }
        Ok(list)
    }

    /// One subscription.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a name that the store does not have; [`Error::Store`] when the store
    /// fails.
    pub async fn get(&self, name: &str) -> Result<SubscriptionInfo> {
        let rows = self.shared.engine.backend.subscriptions().await?;
        match rows.into_iter().find(|row| row.subscription == name) {
            Some(row) => self.info(row).await,
            None => Err(self.shared.unknown(name).await),
        }
    }

    /// Lets nothing new begin until it is resumed, in whatever process, also after a restart; what
    /// runs is finished. When this returns, that holds in this process; others follow within a
    /// second or so.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a name that the store does not have; [`Error::Misuse`] for a
    /// subscription of ephemeral events; [`Error::Store`] when the store fails.
    pub async fn pause(&self, name: &str) -> Result {
        self.shared.pause(name).await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, name: &str) -> Result {
        self.shared.resume(name).await
    }

    /// Lets it go on behind a position, before or behind where it is. [`Position::START`] lets it
    /// handle everything again.
    ///
    /// What runs in this process is finished first; other processes are cut off, and what they had
    /// not written down is handled again. What was parked is forgotten, dead letters stay. The
    /// generation rises, so that what handlers publish for an event that they see again is new, and
    /// its [idempotency key](crate::Context::idempotency_key) too.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a position beyond the log's end; [`Error::NotFound`] for a name that
    /// the store does not have; [`Error::Misuse`] inside a handler, and for ephemeral events; [`Error::Store`] when
    /// the store fails.
    pub async fn rewind(&self, name: &str, to: Position) -> Result {
        self.shared.rewind(name, to).await
    }

    /// Lets it go on with the first event of the log that was published at a time or later, and
    /// returns the place before that. When there is none it goes on at the log's end.
    ///
    /// The log is searched from its beginning. Its order is that of the commits: behind that first
    /// event there may be some that were published a little earlier.
    ///
    /// # Errors
    /// As [`rewind`](Self::rewind).
    pub async fn rewind_to_time(&self, name: &str, time: Timestamp) -> Result<Position> {
        let place = self.shared.place_before(time).await?;
        self.shared.rewind(name, place).await?;
        Ok(place)
    }

    /// Passes over one event: a parked one is let go, one that was not reached is never handled.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no event at the position; [`Error::WrongState`] when it
    /// was handled; else as [`rewind`](Self::rewind).
    pub async fn skip(&self, name: &str, position: Position) -> Result {
        self.shared.skip(name, position).await
    }

    /// Deletes the place of a subscription that nobody runs; its dead letters stay.
    ///
    /// # Errors
    /// [`Error::WrongState`] when a process runs it; [`Error::NotFound`] for a name that the store
    /// does not have; [`Error::Store`] when the store fails.
    pub async fn remove(&self, name: &str) -> Result {
        refuse_in_handler()?;
        let found = self.get(name).await?;
        if let Some(owner) = found.owners.first() {
            let who = match (&owner.name, owner.is_here) {
                (_, true) => "this process".to_owned(),
                (Some(name), false) => name.clone(),
                (None, false) => owner.member.to_string(),
            };
            return Err(Error::WrongState(format!("subscription `{name}` is run by {who}")));
        }
        self.shared.engine.backend.remove_subscription(name.to_owned()).await?;
        Ok(())
    }

    async fn info(&self, row: SubscriptionRow) -> Result<SubscriptionInfo> {
        let backend = &self.shared.engine.backend;
        let running = self.shared.running(&row.subscription);
        let selection = running.as_ref().map_or(Selection::All, |it| it.spec.selection());
        let lag = backend.count(row.low_water, &selection, LAG_MAX).await?;
        let owners = self.owners(&row, running.as_deref());
        Ok(SubscriptionInfo {
            position: row.low_water,
            lag,
            paused: row.paused,
            generation: row.generation,
            partitions: row.shares.first().map_or(0, |share| share.partitions.count()),
            owners,
            parked: row.parked,
            letters: row.letters,
            failure: row.failure,
            name: row.subscription,
        })
    }

    fn owners(&self, row: &SubscriptionRow, running: Option<&Running>) -> Vec<Owner> {
        let engine = &self.shared.engine;
        let here = engine.lease.borrow().member;
        if !engine.is_shared {
            let held = running.and_then(|running| running.view.borrow().held);
            let owner = |(partitions, _): (crate::delivery::Partitions, u64)| Owner {
                member: here,
                name: None,
                is_here: true,
                partitions: partitions.len(),
            };
            return held.map(owner).into_iter().collect();
        }
        let owner = |share: &Share| {
            share.owner.map(|member| Owner {
                member,
                name: engine.roster.name_of(member),
                is_here: member == here,
                partitions: share.partitions.len(),
            })
        };
        row.shares.iter().filter_map(owner).collect()
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions").finish_non_exhaustive()
    }
}
