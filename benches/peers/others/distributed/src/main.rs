//! distributed on PostgreSQL and SQLite.
//!
//! - no variant: its repository, committing one stream.
//! - `bus`: its bus on PostgreSQL, which has no streams.

#![expect(missing_docs, reason = "its macro makes public items that have no documentation")]

mod bus;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use distributed::{
    AggregateBuilder, AggregateRepository, CommitBatch, Entity, PostgresRepository,
    RepositoryError, SqliteRepository, StreamIdentity, StreamWrite, TransactionalCommit, sourced,
};
use peers_core::{Appended, Balance, Deposited, Handled, Store, Task, serve};
use sqlx::{
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

use crate::bus::Published;

/// How long a connection waits for the one writer of SQLite.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Account {
    entity: Entity,
    balance: Balance,
}

#[sourced(entity, aggregate_type = "account")]
impl Account {
    #[event("deposited")]
    fn deposit(
        &mut self,
        account: String,
        owner: String,
        email: String,
        amount: i64,
        memo: String,
    ) {
        // They are recorded; the balance needs none of them.
        let _ = (account, owner, email, memo);
        self.balance.add(amount);
    }
}

enum Distributed {
    Postgres(AggregateRepository<PostgresRepository, Account>),
    Sqlite(AggregateRepository<SqliteRepository, Account>),
    Bus(Published),
}

impl Store for Distributed {
    async fn open(task: &Task) -> Result<Self> {
        let connections = u32::try_from(task.connections())?;
        if task.variant == "bus" {
            Published::open(&task.url, connections).await.map(Self::Bus)
        } else if task.url.starts_with("postgres") {
            postgres(&task.url, connections).await
        } else {
            sqlite(&task.url, connections).await
        }
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        match self {
            Self::Postgres(repository) => {
                commit(repository.repo(), stream, version, deposits).await
            }
            Self::Sqlite(repository) => commit(repository.repo(), stream, version, deposits).await,
            Self::Bus(bus) => bus.publish(deposits).await,
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        let id = stream.to_string();
        let loaded = match self {
            Self::Postgres(repository) => repository.get(&id).await,
            Self::Sqlite(repository) => repository.get(&id).await,
            Self::Bus(_) => bail!("a bus has no aggregates"),
        };
        let account = loaded.map_err(failed)?.with_context(|| format!("no aggregate {id}"))?;
        Ok(account.balance)
    }

    async fn handle(&self, handled: Handled) -> Result<()> {
        match self {
            Self::Bus(bus) => bus.handle(handled),
            Self::Postgres(_) | Self::Sqlite(_) => bail!("a repository has no handlers; use `bus`"),
        }
    }
}

async fn commit(
    repository: &impl TransactionalCommit,
    stream: Uuid,
    version: u64,
    deposits: &[Deposited],
) -> Result<Appended> {
    let id = stream.to_string();
    // What a load would have given.
    let mut account = Account { entity: Entity::with_id(&id), ..Account::default() };
    account.entity.load_tail_from_history(Vec::new(), version);
    for deposit in deposits.iter().cloned() {
        let Deposited { account: number, owner, email, amount, memo } = deposit;
        account.deposit(number, owner, email, amount, memo).map_err(failed)?;
    }
    let identity = StreamIdentity::new("account", &id).map_err(failed)?;
    let batch = CommitBatch::new(vec![StreamWrite::new(identity, &mut account.entity)]);
    match repository.commit_batch(batch).await {
        Ok(()) => Ok(Appended::Stored),
        Err(RepositoryError::ConcurrentWrite { .. }) => Ok(Appended::Refused),
        // A transaction that began as a reader: its user tries again.
        Err(error) if is_locked(&error) => Ok(Appended::Refused),
        Err(error) => Err(failed(error)),
    }
}

async fn postgres(url: &str, connections: u32) -> Result<Distributed> {
    let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
    let repository = PostgresRepository::new(pool);
    repository.migrate().await.map_err(failed)?;
    Ok(Distributed::Postgres(repository.aggregate()))
}

async fn sqlite(path: &str, connections: u32) -> Result<Distributed> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await?;
    let repository = SqliteRepository::new(pool);
    repository.migrate().await.map_err(failed)?;
    Ok(Distributed::Sqlite(repository.aggregate()))
}

fn is_locked(error: &RepositoryError) -> bool {
    format!("{error:?}").contains("database is locked")
}

fn failed(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("{error:?}")
}

fn main() -> Result<()> {
    serve::<Distributed>()
}
