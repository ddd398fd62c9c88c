//! Making streams and logs that are then read.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{Appended, Deposited, Store};

/// How many events an append has that fills a stream.
const CHUNK: u64 = 100;

/// How long the streams of a log are.
const LOG_STREAM_EVENTS: u64 = 10;

/// How many tasks fill a log.
const LOG_WRITERS: u64 = 32;

/// Makes a stream of deposits of the amounts 0, 1, 2, ..
pub(crate) async fn stream<S: Store>(store: &S, events: u64) -> Result<Uuid> {
    let stream = Uuid::new_v4();
    let mut version = 0;
    while version < events {
        let count = CHUNK.min(events - version);
        append(store, stream, version, version, count).await?;
        version += count;
    }
    Ok(stream)
}

/// Makes a log of many streams, with deposits of the amounts 0, 1, 2, .. in whatever order.
pub(crate) async fn log<S: Store>(store: Arc<S>, events: u64) -> Result<()> {
    let share = events.div_ceil(LOG_WRITERS);
    let mut tasks = JoinSet::new();
    for writer in 0..LOG_WRITERS {
        let store = Arc::clone(&store);
        let (mut first, end) = (writer * share, events.min((writer + 1) * share));
        tasks.spawn(async move {
            while first < end {
                let count = LOG_STREAM_EVENTS.min(end - first);
                append(&*store, Uuid::new_v4(), 0, first, count).await?;
                first += count;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn append<S: Store>(
    store: &S,
    stream: Uuid,
    version: u64,
    first: u64,
    count: u64,
) -> Result<()> {
    let deposits = Deposited::row(first, usize::try_from(count)?);
    let appended = store.append(stream, version, &deposits).await?;
    ensure!(appended == Appended::Stored, "nobody else writes to stream {stream}");
    Ok(())
}
