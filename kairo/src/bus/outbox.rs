//! Publishing inside transactions that belong to somebody else.

use std::{any::Any, fmt, sync::Arc};

use super::{
    Shared,
    publish::{Publish, Request, Run},
};
use crate::event::publishable::Publishable;

/// Publishes inside transactions that you began yourself, with sqlx, on the PostgreSQL database of the
/// store: for code that owns its connections, and whose state must change together with the events.
///
/// ```no_run
/// # #[cfg(feature = "postgres")] mod example {
/// # use kairo::{prelude::*, sqlx};
/// # #[event("order.placed")]
/// # struct OrderPlaced { #[key] order: i64 }
/// # async fn run(kairo: Kairo, pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut transaction = pool.begin().await?;
/// sqlx::query("INSERT INTO orders (id) VALUES (7)").execute(&mut *transaction).await?;
/// kairo.outbox().publish(&mut *transaction, OrderPlaced { order: 7 }).await?;
/// transaction.commit().await?; // from here on the handlers see it
/// # Ok(())
/// # }
/// # }
/// ```
///
/// Until that transaction ends, no reader of the log passes what it has appended: keep it short.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Outbox {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Publishes an event that is in the log once the transaction on this connection commits, with the
    /// options of [`Kairo::publish`](crate::Kairo::publish).
    ///
    /// # Errors
    /// As [`Kairo::publish`](crate::Kairo::publish); [`Error::Misuse`](crate::Error::Misuse) for an
    /// ephemeral event, for a connection that is not a `sqlx::PgConnection`, and when the store is not
    /// on PostgreSQL. After an error, roll your transaction back.
    pub fn publish<'a, C: Any + Send, E: Publishable + 'a>(
        &'a self,
        connection: &'a mut C,
        event: E,
    ) -> Publish<'a, E, impl Run<'a, E>> {
        Request::in_outbox(&self.shared, connection, event)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
