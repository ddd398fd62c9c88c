//! Subscriptions: one that counts what is published, and a new one that handles a log from its beginning.

use std::sync::Arc;

use anyhow::Result;
use kairo::{Envelope, Kairo, Uuid};
use peers_core::{Balance, Handled};
use tokio::sync::{Mutex, Notify};

use crate::Deposit;

/// Lets a handler count what is published from now on.
pub(crate) async fn count(bus: &Kairo, handled: Handled) -> Result<()> {
    let count = move |_: Envelope<Deposit>| {
        handled.count();
        async {}
    };
    bus.subscribe::<Deposit>("count").handle(count).await?;
    Ok(())
}

/// Lets a handler add up the whole log.
pub(crate) async fn catch_up(url: &str, events: u64) -> Result<Balance> {
    let bus = Kairo::builder().store(url).start().await?;
    let seen = Arc::new((Mutex::new(Balance::default()), Notify::new()));
    let adding = Arc::clone(&seen);
    let add = move |event: Envelope<Deposit>| {
        let seen = Arc::clone(&adding);
        async move {
            let (balance, all) = &*seen;
            let mut balance = balance.lock().await;
            balance.add(event.0.amount);
            if balance.events == events {
                all.notify_one();
            }
        }
    };
    // A name of its own for each run, so that each begins at the beginning.
    let name = format!("catch-up-{}", Uuid::new_v4());
    bus.subscribe::<Deposit>(name).from_beginning().handle(add).await?;
    seen.1.notified().await;
    let balance = *seen.0.lock().await;
    bus.shutdown().await?;
    Ok(balance)
}
