//! Loading streams for a time, one after the other; and going through a log once.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::{Balance, Latency, Reply, Store, Window, fill, timing::micros_since};

/// How many events there are in all; at least two streams, at most 200.
const EVENTS: u64 = 4_000;

/// Loads streams of a length; the figure is loads per second.
pub(crate) async fn measure<S: Store>(store: &S, seconds: f64, events: u64) -> Result<Reply> {
    let count = (EVENTS / events).clamp(2, 200);
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(fill::stream(store, events).await?);
    }
    let expected = Balance::of_row(events);
    let window = Window::after_warm_up(seconds);
    let mut micros = Vec::new();
    for stream in streams.into_iter().cycle() {
        if window.is_over() {
            break;
        }
        let start = Instant::now();
        let loaded = store.load(stream).await?;
        ensure!(loaded == expected, "loaded {loaded:?} where {expected:?} was stored");
        if window.is_open() {
            micros.push(micros_since(start));
        }
    }
    ensure!(!micros.is_empty(), "no load ended while it was measured");
    let figure = window.per_second(micros.len());
    Ok(Reply::Measured { figure, latency: Latency::of(micros), conflicts: 0 })
}

/// Goes through a log that is there already; the figure is events per second.
#[expect(clippy::cast_precision_loss, reason = "a log has far fewer events than 2^52")]
pub(crate) async fn catch_up<S: Store>(store: &S, events: u64) -> Result<Reply> {
    let start = Instant::now();
    let seen = store.catch_up(events).await?;
    let figure = events as f64 / start.elapsed().as_secs_f64();
    let expected = Balance::of_row(events);
    ensure!(seen == expected, "saw {seen:?} where {expected:?} was stored");
    Ok(Reply::Measured { figure, latency: None, conflicts: 0 })
}
