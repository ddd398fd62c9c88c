//! Telling other processes that events have come in, and hearing it from them.
//!
//! A notification takes a lock that all databases of a server share. So none is sent inside a
//! transaction that appends: one task sends them for all, with a pause after each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Shared, connections::Connector};
/// How long after a notification the next one waits for more to tell.
const PAUSE: Duration = Duration::from_millis(5);

/// What a notification says behind its sender: there are new events.
const LOG: &str = "log";

/// Something beside the log has changed.
const OTHERS: &str = "others";

/// Both.
pub(super) const BOTH: &str = "log others";

/// The pause after a failure; until then the log is looked at from time to time all the same.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What the other processes have not been told yet.
#[derive(Debug, Default)]
pub(super) struct News {
    log: AtomicBool,
    others: AtomicBool,
    any: Notify,
}

impl News {
    /// Events have come in.
    pub(super) fn of_log(&self) {
        self.log.store(true, Ordering::Relaxed);
        self.any.notify_one();
    }

    /// Something else has changed.
    pub(super) fn of_others(&self) {
        self.others.store(true, Ordering::Relaxed);
        self.any.notify_one();
    }

    /// Waits for news, and tells of what.
    async fn next(&self) -> &'static str {
        loop {
            self.any.notified().await;
            let log = self.log.swap(false, Ordering::Relaxed);
            let others = self.others.swap(false, Ordering::Relaxed);
            match (log, others) {
                (true, true) => return BOTH,
                (true, false) => return LOG,
                (false, true) => return OTHERS,
                (false, false) => {}
            }
        }
    }
}

/// The channel of a store: one for each schema of a database.
pub(super) fn channel(connector: &Connector) -> String {
    let schema = Uuid::new_v5(&Uuid::NAMESPACE_OID, connector.tables.schema().as_bytes());
    format!("kairo-{}", schema.as_simple())
}

/// Tells the other processes of what has changed here, until the store is closed.
pub(super) async fn tell(shared: Arc<Shared>) {
    let channel = channel(&shared.connector);
    loop {
        let text = format!("{} {}", shared.me, shared.news.next().await);
        let notify = || sqlx::query("SELECT pg_notify($1, $2)").bind(&channel).bind(&text);
        let pause = match shared.pool.fetch("notifying others of", notify).await {
            Ok(_) => PAUSE,
            Err(error) => {
                tracing::debug!(%error, "others are not told of changes");
                PAUSE_AFTER_ERROR
            }
        };
        shared.clock.sleep(pause).await;
    }
}

/// Wakes the watchers when another process has committed something, until the store is closed.
pub(super) async fn listen(shared: Arc<Shared>) {
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let pool = pool.connect_lazy_with(shared.connector.options.clone());
    loop {
        if let Err(error) = hear(&shared, &pool).await {
            tracing::debug!(%error, "new events of other processes are not heard of");
        }
        shared.clock.sleep(PAUSE_AFTER_ERROR).await;
    }
}

async fn hear(shared: &Shared, pool: &PgPool) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(&channel(&shared.connector)).await?;
    let me = shared.me.to_string();
    loop {
        // What was told before, or while the connection was lost, has not been heard.
        shared.hear(BOTH);
        while let Some(notification) = listener.try_recv().await? {
            match notification.payload().split_once(' ') {
                Some((sender, _)) if sender == me => {}
                Some((_, text)) => shared.hear(text),
                None => {}
            }
        }
    }
}

impl Shared {
    fn hear(&self, text: &str) {
        if text != OTHERS {
            self.wake_watchers();
        }
        if text != LOG {
            self.others.send_modify(|others| *others += 1);
        }
    }
}
