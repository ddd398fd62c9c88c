//! Appending while a handler handles what is appended, until it has handled everything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::time::sleep;

use crate::{Reply, Store, Window, append};

/// How often it is looked at whether the handler is done.
const LOOK: Duration = Duration::from_millis(1);

/// How many events a handler has handled.
#[derive(Clone, Debug, Default)]
pub struct Handled(Arc<AtomicU64>);

impl Handled {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    async fn reaches(&self, goal: u64) {
        while self.0.load(Relaxed) < goal {
            sleep(LOOK).await;
        }
    }
}

/// Lets writers append for a time; the figure is events per second until the last is handled.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) async fn measure<S: Store>(
    store: Arc<S>,
    seconds: f64,
    writers: usize,
) -> Result<Reply> {
    let handled = Handled::default();
    store.handle(handled.clone()).await?;
    let start = Instant::now();
    // Handlers end with their store, which is therefore kept until they are done.
    let all =
        append::write_all(Arc::clone(&store), Window::after_warm_up(seconds), writers, 1).await?;
    handled.reaches(all.events).await;
    let figure = all.events as f64 / start.elapsed().as_secs_f64();
    drop(store);
    Ok(Reply::Measured { figure, latency: None, conflicts: all.conflicts })
}
