//! Its bus on PostgreSQL: a log that handlers are polled from.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use distributed::bus::{
    Bus, BusConsumer, Handlers, Message, MessageKind, PostgresBus, RunOptions, TransportError,
};
use peers_core::{Appended, Deposited, Handled};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::failed;

/// The name of the one event that there is.
const NAME: &str = "account.deposited";

/// How long a handler waits before it looks again at a log that it has read to the end.
const IDLE_POLL: Duration = Duration::from_millis(1);

/// What publishes deposits, and lets a handler count them.
pub(crate) struct Published(PostgresBus);

impl Published {
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let bus = PostgresBus::new(pool).with_idle_poll(IDLE_POLL);
        bus.ensure_tables().await.map_err(failed)?;
        Ok(Self(bus))
    }

    pub(crate) async fn publish(&self, deposits: &[Deposited]) -> Result<Appended> {
        let [deposit] = deposits else {
            return Err(failed("a message of the bus is one event"));
        };
        let payload = serde_json::to_vec(deposit)?;
        let message = Message::new(NAME, MessageKind::Event, payload);
        let message = message.with_id(Uuid::new_v4().to_string());
        self.0.publish_message(message).await.map_err(failed)?;
        Ok(Appended::Stored)
    }

    pub(crate) fn handle(&self, handled: Handled) -> Result<()> {
        let bus = self.0.clone();
        let count = move |message: &Message| {
            let decoded = message.payload_json::<Deposited>();
            if decoded.is_ok() {
                handled.count();
            }
            async move { decoded.map(drop).map_err(|error| TransportError::permanent(error.0)) }
        };
        let handlers = Arc::new(Handlers::new().named("count").on_event(NAME, count));
        tokio::spawn(async move {
            let ended = bus.subscribe(handlers, RunOptions::idempotent()).await;
            eprintln!("the subscription has ended: {ended:?}");
        });
        Ok(())
    }
}
