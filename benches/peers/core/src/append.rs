//! Appending for a time, by several writers.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{Appended, Deposited, Latency, Reply, Store, Window, timing::micros_since};

/// How long a stream gets, if one append is not longer.
const STREAM_EVENTS: u64 = 10;

/// What one writer saw.
#[derive(Debug, Default)]
struct Seen {
    micros: Vec<u32>,
    conflicts: u64,
}

/// Lets writers append for a time; the figure is events per second.
pub(crate) async fn measure<S: Store>(
    store: Arc<S>,
    seconds: f64,
    writers: usize,
    per: usize,
) -> Result<Reply> {
    let window = Window::after_warm_up(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        tasks.spawn(write(Arc::clone(&store), window, per));
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        all.micros.extend(seen.micros);
        all.conflicts += seen.conflicts;
    }
    let figure = window.per_second(all.micros.len() * per);
    Ok(Reply::Measured { figure, latency: Latency::of(all.micros), conflicts: all.conflicts })
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
        if STREAM_EVENTS <= version {
            (stream, version) = (Uuid::new_v4(), 0);
        }
    }
    Ok(seen)
}
