//! Transactions that the callers' own queries can join, and writing inside theirs.
//!
//! They have connections of their own, whose planner is set up as the server's owner wants it: what
//! callers ask of their tables is not what a store asks of its own. A transaction holds up the readers
//! of the log from its first change to its end, so the server ends one that is idle for 20 seconds.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, PgPool, Postgres, postgres::PgPoolOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Change, PostgresStore, Shared,
    changes::{self, lost_race},
    commit::Writing,
    connections::{Connector, answered},
    documents,
    failure::{Trouble, Violation, code, is_lost, is_undefined},
    notify::{self, BOTH},
    server,
    sort::is_nothing,
};
use crate::{
    documents::{Collection, Document},
    error::{Error, Result},
    store::{BoxFuture, Committed, Transaction, Unit, Version},
};

/// How long a caller waits for a connection, and the end of a store for the last transaction.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What an error says was being done.
const WRITING: &str = "writing inside a transaction to";

const FAILED: &str = "the transaction has failed: it can only be rolled back";
const NO_CONNECTION: &str =
    "this is no connection of a PostgreSQL transaction: pass a `&mut kairo::sqlx::PgConnection`";
const NO_TRANSACTION: &str =
    "the connection is in no transaction: begin one, and commit it afterwards";
const NO_TABLES: &str =
    "the transaction is on another database: the tables of this store are not there";

/// Only a transaction has savepoints.
const IN_TRANSACTION: &str = "SAVEPOINT kairo; RELEASE SAVEPOINT kairo";

/// Connections for transactions; none is opened yet.
pub(super) fn connections(connector: &Arc<Connector>, size: usize) -> PgPool {
    let options = connector.options.clone();
    let connector = Arc::clone(connector);
    PgPoolOptions::new()
        .max_connections(u32::try_from(size).unwrap_or(u32::MAX))
        .acquire_timeout(WAIT_MAX)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let connector = Arc::clone(&connector);
            Box::pin(async move {
                server::set_up_for_callers(connection).await?;
                let checked = server::check(connection, &connector.tables, &connector.failing);
                checked.await.map_err(|error| sqlx::Error::Configuration(error.into()))
            })
        })
        .connect_lazy_with(options)
}

/// Closes them, once the last transaction has ended or has had its time.
pub(super) async fn close(connections: &PgPool) {
    // What is still open then is closed by the transaction that has it.
    let _ = timeout(WAIT_MAX, connections.close()).await;
}

/// An open transaction.
struct Open {
    shared: Arc<Shared>,
    transaction: sqlx::Transaction<'static, Postgres>,
    /// Whether something has gone wrong in it, or may have.
    failed: bool,
    /// Whether the log changes with it.
    appends: bool,
    /// Whether anything else does that others look at.
    changes: bool,
}

impl PostgresStore {
    pub(super) async fn begin_transaction(&self) -> Result<Box<dyn Transaction>> {
        let shared = Arc::clone(&self.shared);
        shared.pool.check_open()?;
        let connections = &shared.transactions;
        // Each connection that waits to be used again may have been lost.
        let mut tries = connections.options().get_max_connections();
        let transaction = loop {
            match connections.begin().await {
                Err(error) if is_lost(&error) && 0 < tries => tries -= 1,
                begun => break begun.map_err(|error| shared.not_begun(error))?,
            }
        };
        Ok(Box::new(Open { shared, transaction, failed: false, appends: false, changes: false }))
    }

    pub(super) async fn write_inside(
        &self,
        connection: &mut (dyn Any + Send),
        unit: &Unit,
    ) -> Result<Committed> {
        let shared = &self.shared;
        shared.pool.check_open()?;
        let connection =
            connection.downcast_mut::<PgConnection>().ok_or(Error::Misuse(NO_CONNECTION))?;
        shared.check_inside(connection).await?;
        let committed = shared.write_in(connection, unit).await?;
        // Only the server knows when the transaction commits, so the notification is part of it.
        let notify = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(notify::channel(&shared.connector))
            .bind(format!("{} {BOTH}", Uuid::nil()));
        let told = answered(notify.execute(connection)).await;
        told.map_err(|error| shared.failing.of(WRITING, error))?;
        Ok(committed)
    }
}

impl Shared {
    fn not_begun(&self, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::PoolClosed => Error::Closed,
            sqlx::Error::PoolTimedOut => {
                let size = self.transactions.options().get_max_connections();
                let what = format!("none of {size} connections for transactions became free");
                self.failing.late("waiting for", &what, WAIT_MAX)
            }
            error => self.failing.of("beginning a transaction in", error),
        }
    }

    async fn check_inside(&self, connection: &mut PgConnection) -> Result {
        if connection.is_in_transaction() {
            return Ok(());
        }
        // Perhaps it was begun in SQL.
        match answered(sqlx::raw_sql(IN_TRANSACTION).execute(connection)).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error).is_some_and(|code| code == "25P01") => {
                Err(Error::Misuse(NO_TRANSACTION))
            }
            Err(error) => Err(self.failing.of(WRITING, error)),
        }
    }

    /// Writes a unit in a transaction that is open.
    async fn write_in(&self, connection: &mut PgConnection, unit: &Unit) -> Result<Committed> {
        changes::check(unit)?;
        let writing = Writing { unit, doubtful: false, locked: self.is_locked() };
        // It takes the lock of those who have lost a race, for it cannot lose one.
        let made = writing.make(connection, &self.tables, 1).await;
        made.map_err(|trouble| self.refusal(unit, trouble))
    }

    /// What went wrong; a race cannot be repeated here.
    fn refusal(&self, unit: &Unit, trouble: Trouble) -> Error {
        let Trouble::Sql(error) = &trouble else { return self.failing.trouble(WRITING, trouble) };
        if is_undefined(error) {
            return Error::Misuse(NO_TABLES);
        }
        let lost = Violation::of(error).and_then(|violation| {
            let is_log = violation.table() == Some(self.tables.event());
            if is_log { conflict(unit, &violation) } else { lost_race(unit, &violation) }
        });
        lost.unwrap_or_else(|| self.failing.trouble(WRITING, trouble))
    }
}

/// That somebody else has appended to a stream of the unit meanwhile.
fn conflict(unit: &Unit, violation: &Violation<'_>) -> Option<Error> {
    let (stream, version) = violation.key()?.rsplit_once(", ")?;
    let actual: u64 = version.parse().ok()?;
    let append = unit.appends.iter().find(|append| append.stream.as_str() == stream)?;
    let expected = match append.expected {
        Version::Any => Version::At(actual.saturating_sub(1)),
        expected => expected,
    };
    Some(Error::Conflict { stream: stream.to_owned(), expected, actual })
}

impl Open {
    async fn put(&mut self, unit: &Unit) -> Result<Committed> {
        if self.failed {
            return Err(Error::Misuse(FAILED));
        }
        // Also when this future is dropped.
        self.failed = true;
        let committed = self.shared.write_in(&mut self.transaction, unit).await?;
        self.failed = false;
        self.appends |= !committed.placed.is_empty() || !unit.removals.is_empty();
        self.changes = true;
        Ok(committed)
    }

    async fn finish(mut self, unit: &Unit) -> Result<Committed> {
        let committed = self.put(unit).await?;
        // The server takes the commit of a transaction that a query of the caller's has broken, and
        // rolls it back. It answers nothing else in one.
        if is_nothing(unit) {
            let alive = answered(sqlx::query("SELECT 1").execute(&mut *self.transaction)).await;
            alive.map_err(|error| self.shared.failing.of(WRITING, error))?;
        }
        let Self { shared, transaction, appends, changes, .. } = self;
        let ended = answered(transaction.commit()).await;
        ended.map_err(|error| shared.failing.of("committing a transaction in", error))?;
        if appends {
            shared.wake();
        }
        if changes {
            shared.tell_others();
        }
        Ok(committed)
    }
}

impl Transaction for Open {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        &mut *self.transaction
    }

    fn document<'a>(
        &'a mut self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(async move {
            if self.failed {
                return Err(Error::Misuse(FAILED));
            }
            self.failed = true;
            let select = self.shared.tables.query_of(collection, documents::ONE).bind(id);
            let rows = answered(select.fetch_all(&mut *self.transaction)).await;
            let rows = rows.map_err(|error| match error {
                error if is_undefined(&error) => documents::unknown(collection),
                error => self.shared.failing.of("reading", error),
            })?;
            let found = documents::read_all(&rows);
            let found = found.map_err(|error| self.shared.failing.of("reading", error))?.pop();
            self.failed = false;
            Ok(found)
        })
    }

    fn write(&mut self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move { self.put(&unit).await })
    }

    fn commit(self: Box<Self>, unit: Unit) -> BoxFuture<'static, Result<Committed>> {
        Box::pin(async move { self.finish(&unit).await })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result> {
        Box::pin(async move {
            let ended = answered(self.transaction.rollback()).await;
            ended.map_err(|error| self.shared.failing.of("rolling back a transaction in", error))
        })
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("url", &self.shared.failing.url())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
