//! evento on PostgreSQL and SQLite.
//!
//! - `save`: what its users call, `SaveBuilder::commit`, which writes events and then a snapshot.
//! - `write`: `Executor::write` alone, which writes events.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use anyhow::{Result, anyhow, bail};
use bincode::{Decode, Encode};
use evento::{AggregatorName, EventDetails, Executor, SaveBuilder, WriteError};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};
use serde::{Deserialize, Serialize};
use sqlx::{
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use sqlx_migrator::{Migrate, Plan};
use ulid::Ulid;
use uuid::Uuid;

/// How long a connection waits for the one writer of SQLite.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// How many aggregates a writer remembers.
const REMEMBERED_MAX: usize = 4_096;

#[derive(AggregatorName, Encode, Decode, Clone)]
struct DepositMade {
    account: String,
    owner: String,
    email: String,
    amount: i64,
    memo: String,
}

impl From<&Deposited> for DepositMade {
    fn from(deposit: &Deposited) -> Self {
        let Deposited { account, owner, email, amount, memo } = deposit.clone();
        Self { account, owner, email, amount, memo }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, Encode, Decode)]
struct Account {
    events: u64,
    amount: i64,
}

#[evento::aggregator]
impl Account {
    async fn deposit_made(&mut self, event: EventDetails<DepositMade>) -> Result<()> {
        self.events += 1;
        self.amount += event.data.amount;
        Ok(())
    }
}

enum Backend {
    Postgres(evento::Postgres),
    Sqlite(evento::Sqlite),
}

/// Aggregates at their versions, as whoever saves has them loaded: `save` stores them as snapshots.
type Remembered = Mutex<HashMap<Uuid, (u64, Account)>>;

struct Evento {
    backend: Backend,
    saves: bool,
    remembered: Remembered,
}

impl Store for Evento {
    async fn open(task: &Task) -> Result<Self> {
        let saves = match task.variant.as_str() {
            "save" => true,
            "write" => false,
            other => bail!("there is no variant `{other}`; use `save` or `write`"),
        };
        let connections = u32::try_from(task.connections())?;
        let backend = if task.url.starts_with("postgres") {
            Backend::Postgres(postgres(&task.url, connections).await?)
        } else {
            Backend::Sqlite(sqlite(&task.url, connections).await?)
        };
        Ok(Self { backend, saves, remembered: Remembered::default() })
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let appended = match (&self.backend, self.saves) {
            (Backend::Postgres(executor), false) => {
                write(executor, stream, version, deposits).await
            }
            (Backend::Sqlite(executor), false) => write(executor, stream, version, deposits).await,
            (Backend::Postgres(executor), true) => {
                self.save(executor, stream, version, deposits).await
            }
            (Backend::Sqlite(executor), true) => {
                self.save(executor, stream, version, deposits).await
            }
        };
        match appended {
            Ok(()) => Ok(Appended::Stored),
            Err(WriteError::InvalidOriginalVersion) => Ok(Appended::Refused),
            Err(error) => Err(error.into()),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        let loaded = match &self.backend {
            Backend::Postgres(executor) => evento::load(executor, id(stream)).await?,
            Backend::Sqlite(executor) => evento::load(executor, id(stream)).await?,
        };
        let Account { events, amount } = loaded.item;
        Ok(Balance { events, amount })
    }
}

impl Evento {
    async fn save(
        &self,
        executor: &impl Executor,
        stream: Uuid,
        version: u64,
        deposits: &[Deposited],
    ) -> Result<(), WriteError> {
        let mut account = self.recall(stream, version)?;
        let original = u16::try_from(version).map_err(anyhow::Error::from)?;
        let mut save =
            SaveBuilder::new(Some(account.clone()), id(stream)).original_version(original);
        for deposit in deposits {
            save = save.data(&DepositMade::from(deposit)).map_err(anyhow::Error::from)?;
            account.events += 1;
            account.amount += deposit.amount;
        }
        save.commit(executor).await?;
        self.remember(stream, version + deposits.len() as u64, account)?;
        Ok(())
    }

    fn recall(&self, stream: Uuid, version: u64) -> Result<Account> {
        let remembered = self.remembered.lock().map_err(|_| anyhow!("a writer has panicked"))?;
        let account = remembered.get(&stream).filter(|(known, _)| *known == version);
        Ok(account.map(|(_, account)| account.clone()).unwrap_or_default())
    }

    fn remember(&self, stream: Uuid, version: u64, account: Account) -> Result<()> {
        let mut remembered =
            self.remembered.lock().map_err(|_| anyhow!("a writer has panicked"))?;
        if REMEMBERED_MAX < remembered.len() {
            remembered.clear();
        }
        remembered.insert(stream, (version, account));
        Ok(())
    }
}

async fn postgres(url: &str, connections: u32) -> Result<evento::Postgres> {
    let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
    let migrator = evento::sql_migrator::new::<sqlx::Postgres>()?;
    migrator.run(&mut *pool.acquire().await?, &Plan::apply_all()).await?;
    Ok(pool.into())
}

async fn sqlite(path: &str, connections: u32) -> Result<evento::Sqlite> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await?;
    let migrator = evento::sql_migrator::new::<sqlx::Sqlite>()?;
    migrator.run(&mut *pool.acquire().await?, &Plan::apply_all()).await?;
    Ok(pool.into())
}

async fn write(
    executor: &impl Executor,
    stream: Uuid,
    version: u64,
    deposits: &[Deposited],
) -> Result<(), WriteError> {
    let events =
        (version + 1..).zip(deposits).map(|(version, deposit)| event(stream, version, deposit));
    executor.write(events.collect::<Result<_>>()?).await
}

fn event(stream: Uuid, version: u64, deposit: &Deposited) -> Result<evento::Event> {
    let data = bincode::encode_to_vec(DepositMade::from(deposit), bincode::config::standard())?;
    Ok(evento::Event {
        id: Ulid::new(),
        aggregator_id: id(stream),
        aggregator_type: <Account as AggregatorName>::name().to_owned(),
        version: i32::try_from(version)?,
        name: "DepositMade".to_owned(),
        routing_key: None,
        data,
        metadata: vec![1],
        timestamp: 1,
        timestamp_subsec: 0,
    })
}

/// Its ids have 26 characters.
fn id(stream: Uuid) -> String {
    Ulid::from_bytes(*stream.as_bytes()).to_string()
}

fn main() -> Result<()> {
    serve::<Evento>()
}
