//! Appending for a time, by several writers.

use std::{sync::Arc, time::Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{Appended, Deposited, Latency, Reply, Store, Window, timing::micros_since};

/// How long a stream gets, if one append is not longer.
const STREAM_EVENTS: u64 = 10;

/// What writers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    micros: Vec<u32>,
    pub(crate) conflicts: u64,
    /// How many events it has appended in all, measured or not.
    pub(crate) events: u64,
}

/// Lets writers append for a time; the figure is events per second.
pub(crate) async fn measure<S: Store>(
    store: Arc<S>,
    seconds: f64,
    writers: usize,
    per: usize,
) -> Result<Reply> {
    let window = Window::after_warm_up(seconds);
    let all = write_all(store, window, writers, per).await?;
    ensure!(!all.micros.is_empty(), "no append ended while it was measured");
    let figure = window.per_second(all.micros.len() * per);
    Ok(Reply::Measured { figure, latency: Latency::of(all.micros), conflicts: all.conflicts })
}

/// Lets writers append until a window is over.
pub(crate) async fn write_all<S: Store>(
    store: Arc<S>,
    window: Window,
    writers: usize,
    per: usize,
) -> Result<Seen> {
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        tasks.spawn(write(Arc::clone(&store), window, per));
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        all.micros.extend(seen.micros);
        all.conflicts += seen.conflicts;
        all.events += seen.events;
    }
    Ok(all)
}

async fn write<S: Store>(store: Arc<S>, window: Window, per: usize) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut stream = Uuid::new_v4();
    let mut version = 0;
    while !window.is_over() {
        let deposits = Deposited::row(version, per);
        let start = Instant::now();
        // Nobody else writes to this stream, so a refusal is the store's own doing: a failed
        // serialisation, a lock that was not to be had. It is tried again, as its user would.
        while store.append(stream, version, &deposits).await? == Appended::Refused {
            seen.conflicts += u64::from(window.is_open());
            if window.is_over() {
                return Ok(seen);
            }
        }
        if window.is_open() {
            seen.micros.push(micros_since(start));
        }
        version += per as u64;
        seen.events += per as u64;
        if STREAM_EVENTS <= version {
            (stream, version) = (Uuid::new_v4(), 0);
        }
    }
    Ok(seen)
}
