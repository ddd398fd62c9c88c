//! Connections that are used again, a bounded number of them.
//!
//! Nothing is sent to find out whether a connection still works: one that does not says so when it
//! is used, and what may be repeated is repeated on a new one.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    failure::{Failing, is_lost},
    server,
    settings::Settings,
    tables::{Statement, Tables},
};
use crate::error::{Error, Result};

/// How long connecting may take.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a caller waits for a connection that another one uses.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How long the server may take for an answer.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// Makes connections to one server, ready for a store's statements.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) options: PgConnectOptions,
    pub(super) tables: Arc<Tables>,
    pub(super) settings: Settings,
    pub(super) failing: Failing,
}

/// Opens a connection whose session is set up.
///
/// # Errors
/// [`Error::Store`], which names the host, when there is no answer within [`CONNECT_MAX`].
pub(super) async fn connect(options: &PgConnectOptions, failing: &Failing) -> Result<PgConnection> {
    let opened = timeout(CONNECT_MAX, async {
        let mut connection = PgConnection::connect_with(options).await?;
        server::set_up(&mut connection).await?;
        Ok::<_, sqlx::Error>(connection)
    });
    match opened.await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(failing.connecting(error)),
        Err(_) => Err(failing.late("connecting to", "no answer", CONNECT_MAX)),
    }
}

impl Connector {
    /// Opens a connection to a server on which the log's epoch is right.
    async fn open(&self) -> Result<PgConnection> {
        let mut connection = connect(&self.options, &self.failing).await?;
        server::check(&mut connection, &self.tables, &self.failing).await?;
        Ok(connection)
    }
}

/// Connections that are used again.
#[derive(Debug)]
pub(super) struct Connections {
    connector: Arc<Connector>,
    size: usize,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

/// A connection on loan. One that is not given back is closed, and what it was doing ends with it.
pub(super) struct Lease<'a> {
    pub(super) connection: PgConnection,
    from: &'a Connections,
    permit: SemaphorePermit<'a>,
}

impl Connections {
    /// At most `size` connections; none is opened yet.
    pub(super) fn new(connector: &Arc<Connector>, size: usize) -> Self {
        Self {
            connector: Arc::clone(connector),
            size,
            permits: Semaphore::new(size),
            idle: Mutex::default(),
        }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Store`] when none is free in time, or none can be opened.
    pub(super) async fn lend(&self) -> Result<Lease<'_>> {
        let Ok(permit) = timeout(WAIT_MAX, self.permits.acquire()).await else {
            let what = format!("none of {} connections became free", self.size);
            return Err(self.connector.failing.late("waiting for", &what, WAIT_MAX));
        };
        let permit = permit.map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connector.open().await?,
        };
        Ok(Lease { connection, from: self, permit })
    }

    /// Adds an open connection.
    pub(super) fn add(&self, connection: PgConnection) {
        self.idle().push(connection);
    }

    /// Runs a statement that only reads; once more if its connection turns out to be lost.
    pub(super) async fn fetch(
        &self,
        action: &str,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<PgRow>> {
        let fetched = self.fetch_twice(statement).await?;
        fetched.map_err(|error| self.connector.failing.of(action, error))
    }

    /// The same, with what the driver says.
    pub(super) async fn fetch_twice(
        &self,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<sqlx::Result<Vec<PgRow>>> {
        match self.fetch_once(statement()).await? {
            Err(error) if is_lost(&error) => self.fetch_once(statement()).await,
            fetched => Ok(fetched),
        }
    }

    /// Runs a statement, once.
    pub(super) async fn fetch_once(
        &self,
        statement: Statement,
    ) -> Result<sqlx::Result<Vec<PgRow>>> {
        let mut lease = self.lend().await?;
        let fetched = answered(statement.fetch_all(&mut lease.connection)).await;
        lease.end(fetched.as_ref().err());
        Ok(fetched)
    }

    /// # Errors
    /// [`Error::Closed`]
    pub(super) fn check_open(&self) -> Result {
        if self.permits.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Lets nobody else in, waits for what is lent, and closes everything.
    pub(super) async fn close(&self) {
        let size = u32::try_from(self.size).unwrap_or(u32::MAX);
        let Ok(all) = self.permits.acquire_many(size).await else { return };
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // The server notices it at the latest when the socket goes.
            let _ = timeout(CONNECT_MAX, connection.close()).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// Gives the connection back, which is between two statements now. If it was lost, the others
    /// that wait will be as well.
    pub(super) fn end(self, error: Option<&sqlx::Error>) {
        let Self { connection, from, permit } = self;
        if error.is_some_and(is_lost) {
            from.idle().clear();
        } else if !from.permits.is_closed() {
            from.idle().push(connection);
        }
        drop(permit);
    }
}

/// Waits for the server's answer, for a while.
pub(super) async fn answered<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    answered_within(ANSWER_MAX, answer).await
}

/// Waits for the server's answer.
pub(super) async fn answered_within<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        let late = format!("no answer within {} s", limit.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, late).into())
    })
}
