//! Telling other processes that events have come in, and hearing it from them.
//!
//! A notification takes a lock that all databases of a server share. So none is sent inside a
//! transaction that appends: one task sends them for all, with a pause after each.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use uuid::Uuid;

use super::{Shared, connections::Connector};
use crate::clock::Clock;

/// How long after a notification the next one waits for more to tell.
const PAUSE: Duration = Duration::from_millis(5);

/// The pause after a failure; until then the log is looked at from time to time all the same.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The channel of a store: one for each schema of a database.
pub(super) fn channel(connector: &Connector) -> String {
    let schema = Uuid::new_v5(&Uuid::NAMESPACE_OID, connector.tables.schema().as_bytes());
    format!("kairo-{}", schema.as_simple())
}

/// Tells the other processes of what has been committed here, until the store is closed.
pub(super) async fn tell(shared: Arc<Shared>) {
    let channel = channel(&shared.connector);
    let me = shared.me.to_string();
    loop {
        shared.told.notified().await;
        let notify = || sqlx::query("SELECT pg_notify($1, $2)").bind(&channel).bind(&me);
        let pause = match shared.pool.fetch("notifying others of", notify).await {
            Ok(_) => PAUSE,
            Err(error) => {
                tracing::debug!(%error, "others are not told of new events");
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
        Clock::system().sleep(PAUSE_AFTER_ERROR).await;
    }
}

async fn hear(shared: &Shared, pool: &PgPool) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(&channel(&shared.connector)).await?;
    let me = shared.me.to_string();
    loop {
        // What was told before, or while the connection was lost, has not been heard.
        shared.wake_watchers();
        while let Some(notification) = listener.try_recv().await? {
            if notification.payload() != me {
                shared.wake_watchers();
            }
        }
    }
}
