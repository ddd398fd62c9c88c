//! Kairo, through what it offers to everybody.
//!
//! - `store`: `EventStore::append`, without a bus.
//! - `publish`: `Kairo::publish` on a running bus, which nothing subscribes to.

use anyhow::{Result, bail};
use futures_util::TryStreamExt;
use kairo::{Error, EventStore, Kairo, Version, prelude::*};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};

mod handled;

/// A deposit, as an event.
#[event("account.deposited")]
struct Deposit(Deposited);

struct Participant {
    store: EventStore,
    /// What publishes, in the variant `publish`.
    bus: Option<Kairo>,
    url: String,
}

impl Store for Participant {
    async fn open(task: &Task) -> Result<Self> {
        let url = url(&task.url);
        match task.variant.as_str() {
            "store" => Ok(Self { store: EventStore::open(&url).await?, bus: None, url }),
            "publish" => {
                let bus = Kairo::builder().store(&url).start().await?;
                Ok(Self { store: bus.store(), bus: Some(bus), url })
            }
            other => bail!("there is no variant `{other}`; use `store` or `publish`"),
        }
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let name = name(stream);
        let expected = if version == 0 { Version::NoStream } else { Version::At(version) };
        let events = deposits.iter().cloned().map(Deposit);
        let appended = match (&self.bus, deposits) {
            (Some(bus), [deposit]) => {
                let event = Deposit(deposit.clone());
                bus.publish(event).stream(name).expect(expected).await.map(drop)
            }
            _ => self.store.append(name, expected, events).await.map(drop),
        };
        match appended {
            Ok(()) => Ok(Appended::Stored),
            Err(Error::Conflict { .. }) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        let mut balance = Balance::default();
        let mut events = self.store.stream(name(stream));
        while let Some(event) = events.try_next().await? {
            balance.add(event.decode::<Deposit>()?.0.amount);
        }
        Ok(balance)
    }

    async fn catch_up(&self, events: u64) -> Result<Balance> {
        self.store.close().await?;
        handled::catch_up(&self.url, events).await
    }
}

/// The URL of a task as Kairo has it: a path is a SQLite file.
fn url(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("sqlite:{url}") }
}

fn name(stream: Uuid) -> String {
    format!("account-{stream}")
}

fn main() -> Result<()> {
    serve::<Participant>()
}
