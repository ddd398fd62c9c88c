//! The limit on PostgreSQL: the least code by hand that keeps events of streams, through tokio-postgres.
//!
//! - `single`: one prepared statement for each append, on one connection for each writer. A conflict is a
//!   violated key. Several events go as one statement too, through `unnest`.
//! - `group`: all writers hand their appends to one task, which stores whatever waits in one statement.

mod group;
mod single;

use anyhow::{Result, bail};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{group::Group, single::Single};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS event (
        position bigint GENERATED ALWAYS AS IDENTITY,
        stream uuid NOT NULL,
        version bigint NOT NULL,
        name text NOT NULL,
        payload jsonb NOT NULL,
        time timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (stream, version)
    );
    CREATE UNIQUE INDEX IF NOT EXISTS event_position ON event (position);";

/// The name of the one event that there is.
const NAME: &str = "account.deposited";

struct Postgres {
    single: Single,
    /// Where appends go instead, in the variant `group`.
    group: Option<Group>,
}

impl Store for Postgres {
    async fn open(task: &Task) -> Result<Self> {
        connect(&task.url).await?.batch_execute(SCHEMA).await?;
        let group = match task.variant.as_str() {
            "single" => None,
            "group" => Some(Group::open(&task.url).await?),
            other => bail!("there is no variant `{other}`; use `single` or `group`"),
        };
        let connections = if group.is_some() { 1 } else { task.connections() };
        Ok(Self { single: Single::open(&task.url, connections).await?, group })
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        match &self.group {
            Some(group) => group.append(stream, version, deposits).await,
            None => self.single.append(stream, version, deposits).await,
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        self.single.load(stream).await
    }

    async fn catch_up(&self, _events: u64) -> Result<Balance> {
        self.single.read_all().await
    }
}

/// A connection, which a task of its own serves.
async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The versions of events behind a version.
fn versions(behind: u64, count: usize) -> Vec<i64> {
    (behind.cast_signed() + 1..).take(count).collect()
}

fn main() -> Result<()> {
    serve::<Postgres>()
}
