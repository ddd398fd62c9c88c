//! Kairo, through what it offers to everybody.
//!
//! - `store`: an event store by itself, appended to through `EventStore::append`.
//! - `bus`: a running bus. One event goes through `Kairo::publish`, several through the bus's store; loads are
//!   those of an aggregate.
//! - `snapshot`: the same, with an aggregate that keeps snapshots.

mod account;
mod handled;

use anyhow::{Result, bail};
use futures_util::TryStreamExt;
use kairo::{Error, EventStore, Kairo, Uuid, Version};
use peers_core::{Appended, Balance, Deposited, Handled, Store, Task, serve};

use crate::account::{Account, Deposit, SnapshotAccount};

struct Participant {
    url: String,
    way: Way,
}

enum Way {
    Store(EventStore),
    Bus(Kairo),
    Snapshot(Kairo),
}

impl Store for Participant {
    async fn open(task: &Task) -> Result<Self> {
        let url = url(&task.url);
        let way = match task.variant.as_str() {
            "store" => Way::Store(EventStore::open(&url).await?),
            "bus" => Way::Bus(Kairo::builder().store(&url).start().await?),
            "snapshot" => Way::Snapshot(Kairo::builder().store(&url).start().await?),
            other => bail!("there is no variant `{other}`; use `store`, `bus` or `snapshot`"),
        };
        Ok(Self { url, way })
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let name = format!("account-{stream}");
        let expected = if version == 0 { Version::NoStream } else { Version::At(version) };
        let appended = if let (Way::Bus(bus), [deposit]) = (&self.way, deposits) {
            let event = Deposit(deposit.clone());
            bus.publish(event).stream(name).expect(expected).await.map(drop)
        } else {
            let events = deposits.iter().cloned().map(Deposit);
            self.store().append(name, expected, events).await.map(drop)
        };
        match appended {
            Ok(()) => Ok(Appended::Stored),
            Err(Error::Conflict { .. }) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        match &self.way {
            Way::Store(store) => fold(store, stream).await,
            Way::Bus(bus) => Ok(bus.aggregate::<Account>(stream).load().await?.balance()),
            Way::Snapshot(bus) => {
                Ok(bus.aggregate::<SnapshotAccount>(stream).load().await?.balance())
            }
        }
    }

    async fn handle(&self, handled: Handled) -> Result<()> {
        match &self.way {
            Way::Bus(bus) | Way::Snapshot(bus) => handled::count(bus, handled).await,
            Way::Store(_) => bail!("a store by itself has no handlers; use `bus`"),
        }
    }

    async fn catch_up(&self, events: u64) -> Result<Balance> {
        self.store().close().await?;
        handled::catch_up(&self.url, events).await
    }
}

impl Participant {
    fn store(&self) -> EventStore {
        match &self.way {
            Way::Store(store) => store.clone(),
            Way::Bus(bus) | Way::Snapshot(bus) => bus.store(),
        }
    }
}

async fn fold(store: &EventStore, stream: Uuid) -> Result<Balance> {
    let mut balance = Balance::default();
    let mut events = store.stream(format!("account-{stream}"));
    while let Some(event) = events.try_next().await? {
        balance.add(event.decode::<Deposit>()?.0.amount);
    }
    Ok(balance)
}

/// The URL of a task as Kairo has it: a path is a SQLite file.
fn url(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("sqlite:{url}") }
}

fn main() -> Result<()> {
    serve::<Participant>()
}
