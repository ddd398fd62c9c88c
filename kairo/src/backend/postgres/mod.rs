//! The store on a PostgreSQL server: one log for many processes.
//!
//! [`super`] says what the tables hold. Three ideas carry the rest. The log is ordered by the ids of
//! the transactions that append to it, so nothing has to be locked for the sake of order. It is read
//! up to the gate, the oldest transaction that is still open, so that nothing can come in before
//! what has been read. And what is expected of streams is checked by the statement that appends,
//! while a unique index has the last word.
//!
//! A store that is made with `append=locked` has no gate: a lock brings appends into the order of
//! their commits, and the log is ordered by sequence alone.

mod alone;
mod append;
mod changes;
mod claims;
mod collections;
mod commit;
mod connections;
mod deliveries;
mod documents;
mod facts;
mod failure;
mod gate;
mod held;
mod inbox;
mod instant;
mod journal;
mod lanes;
mod letters;
mod log;
mod members;
mod notify;
mod open;
mod options;
mod pages;
mod places;
mod rows;
mod sagas;
mod schema;
mod search;
mod seen;
mod selection;
mod server;
mod settings;
mod shares;
mod sort;
mod steering;
mod streams;
mod tables;
mod timetable;
mod together;
mod transaction;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{Connection, PgConnection, PgPool};
use tokio::{sync::watch, task::AbortHandle};
use uuid::Uuid;

use self::{
    connections::{Connections, Connector, answered},
    failure::{Failing, Trouble, is_lost, is_race},
    gate::Order,
    held::Held,
    lanes::{Crew, Lanes},
    notify::News,
    settings::Append,
    tables::Tables,
};
use super::url::StoreUrl;
use crate::{
    clock::Clock,
    delivery::Backend,
    error::{Error, Result},
};

/// How often a transaction is tried again when somebody else was quicker.
const RACES_MAX: usize = 100;

/// How often a transaction is tried again when its connection was lost before the end of it.
const LOSSES_MAX: usize = 1;

/// Opens the store on a server, making its tables first where there are none.
pub(super) async fn open(url: &StoreUrl, clock: &Clock) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(open::store(url, clock.now()).await?))
}

/// A store on a PostgreSQL server.
pub(crate) struct PostgresStore {
    shared: Arc<Shared>,
    /// What works in the background; gone when the store is closed or dropped.
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What work in progress keeps alive.
struct Shared {
    connector: Arc<Connector>,
    tables: Arc<Tables>,
    failing: Failing,
    /// Connections for everything but appending in one statement.
    pool: Connections,
    /// Connections that only append, so that an append waits for nothing else.
    appenders: Connections,
    /// Connections for transactions that callers join.
    transactions: PgPool,
    lanes: Arc<Lanes>,
    commits: watch::Sender<u64>,
    /// What other processes have said of changes beside the log.
    others: watch::Sender<u64>,
    news: News,
    /// Who this process is to the others.
    me: Uuid,
    /// What hides events at present.
    held: Held,
    /// The oldest open transaction, if it has been waited for in vain.
    stuck: Mutex<Option<Order>>,
    /// Pauses between two tries; other clocks may stand still while the server works.
    clock: Clock,
}

/// What is done in a transaction; it may be done again when others get in between.
trait Change: Sync {
    type Done: Send;

    /// Does it; `races` is how often others were quicker.
    fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        races: usize,
    ) -> impl Future<Output = Result<Self::Done, Trouble>> + Send;
}

impl PostgresStore {
    /// Sets a store to work whose tables are up to date.
    fn start(connector: Connector, connection: PgConnection, pool: usize) -> Self {
        let connector = Arc::new(connector);
        let clock = Clock::system();
        let crew = Crew::of(connector.settings.append);
        let shared = Arc::new(Shared {
            tables: Arc::clone(&connector.tables),
            failing: connector.failing.clone(),
            pool: Connections::new(&connector, pool),
            appenders: Connections::new(&connector, crew.alone_max + crew.lanes),
            transactions: transaction::connections(&connector, pool),
            lanes: Arc::new(Lanes::new(crew)),
            commits: watch::Sender::new(0),
            others: watch::Sender::new(0),
            news: News::default(),
            me: clock.new_id(),
            held: Held::default(),
            stuck: Mutex::default(),
            clock,
            connector,
        });
        shared.pool.add(connection);
        let lanes = (0..crew.lanes).map(|_| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.run_lane().await })
        });
        let mut tasks: Vec<_> = lanes.map(|lane| lane.abort_handle()).collect();
        tasks.push(tokio::spawn(notify::tell(Arc::clone(&shared))).abort_handle());
        tasks.push(tokio::spawn(notify::listen(Arc::clone(&shared))).abort_handle());
        Self { shared, tasks: Mutex::new(tasks) }
    }

    /// Waits for what is being written and read, then lets go of the server.
    async fn shut(&self) -> Result {
        self.shared.lanes.close().await;
        transaction::close(&self.shared.transactions).await;
        self.stop();
        self.shared.pool.close().await;
        self.shared.appenders.close().await;
        Ok(())
    }

    fn stop(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }

    /// The error for rows that are not what this store writes.
    fn unreadable(&self, error: sqlx::Error) -> Error {
        self.shared.failing.of("reading", error)
    }
}

impl Shared {
    /// Makes a change in a transaction, again while others are quicker.
    async fn transact<C: Change>(&self, action: &str, change: &C) -> Result<C::Done> {
        let (mut races, mut losses) = (0, 0);
        loop {
            let mut lease = self.pool.lend().await?;
            let (done, committing) = self.attempt(&mut lease.connection, change, races).await;
            let error = match &done {
                Err(Trouble::Sql(error)) => Some(error),
                _ => None,
            };
            let is_race = error.is_some_and(is_race);
            // A commit without an answer may have succeeded.
            let is_loss = error.is_some_and(is_lost) && !committing;
            lease.end(error);
            match done {
                Err(_) if is_race && races < RACES_MAX => races += 1,
                Err(_) if is_loss && losses < LOSSES_MAX => losses += 1,
                done => return done.map_err(|trouble| self.failing.trouble(action, trouble)),
            }
        }
    }

    /// What became of one transaction, and whether it had come to its end.
    async fn attempt<C: Change>(
        &self,
        connection: &mut PgConnection,
        change: &C,
        races: usize,
    ) -> (Result<C::Done, Trouble>, bool) {
        let mut transaction = match answered(connection.begin()).await {
            Ok(transaction) => transaction,
            Err(error) => return (Err(error.into()), false),
        };
        match change.make(&mut transaction, &self.tables, races).await {
            Ok(done) => {
                let committed = answered(transaction.commit()).await;
                (committed.map(|()| done).map_err(Trouble::Sql), true)
            }
            Err(trouble) => match answered(transaction.rollback()).await {
                // The connection is of no use any more; what was wrong before says more.
                Err(error) if !matches!(trouble, Trouble::Refused(_)) => (Err(error.into()), false),
                _ => (Err(trouble), false),
            },
        }
    }

    /// Says that events have come in, here and to the other processes.
    fn wake(&self) {
        self.wake_watchers();
        self.news.of_log();
    }

    /// Says to the other processes that something beside the log has changed.
    fn tell_others(&self) {
        self.news.of_others();
    }

    fn wake_watchers(&self) {
        self.commits.send_modify(|commits| *commits += 1);
    }

    /// Whether appends wait for each other.
    fn is_locked(&self) -> bool {
        self.connector.settings.append == Append::Locked
    }

    fn is_stuck(&self, gate: Order) -> bool {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) == Some(gate)
    }

    fn set_stuck(&self, gate: Order) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = Some(gate);
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.shared.lanes.end();
        self.stop();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("url", &self.shared.failing.url())
            .field("lanes", &self.shared.lanes)
            .finish_non_exhaustive()
    }
}
