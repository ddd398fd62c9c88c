//! From publish to handled through the durable log: against the append alone.

#[allow(dead_code, reason = "each bench uses its part")]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
mod runner;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use deposits::{Deposited, Deposits, Folder, publish_on};
use kairo::{Envelope, Kairo};
use runner::{Promise, Runner, Stopwatch, median};
use tokio::{runtime, task::yield_now};

/// How long each side runs in a round.
const TIME: Duration = Duration::from_secs(1);

/// How many publishers there are.
const PUBLISHERS: u64 = 64;

/// How many events a round waits for, one after the other.
const WAITS: u64 = 500;

/// Counts what a handler is given.
async fn subscribe(kairo: &Kairo) -> Arc<AtomicU64> {
    let handled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&handled);
    let handle = move |_: Envelope<Deposited>| {
        count.fetch_add(1, Relaxed);
        async {}
    };
    kairo.subscribe::<Deposited>("count").handle(handle).await.expect("the name is free");
    handled
}

async fn throughput(time: Duration, handles: bool) -> f64 {
    let folder = Folder::new();
    let kairo = folder.bus().await;
    let counter = if handles { Some(subscribe(&kairo).await) } else { None };
    let watch = Stopwatch::start();
    let published = publish_on(&kairo, PUBLISHERS, time).await;
    while counter.as_ref().is_some_and(|count| count.load(Relaxed) < published) {
        yield_now().await;
    }
    let rate = watch.per_second(published);
    kairo.shutdown().await.expect("the store closes");
    rate
}

/// The median time of one publish, or of one publish until it is handled, in milliseconds.
async fn latency(waits: u64, handles: bool) -> f64 {
    let folder = Folder::new();
    let kairo = folder.bus().await;
    if handles {
        subscribe(&kairo).await;
    }
    let (mut deposits, mut times) = (Deposits::new(), Vec::new());
    for _ in 0..waits {
        let (event, _) = deposits.next();
        let watch = Stopwatch::start();
        let published = kairo.publish(event).await.expect("the store takes it");
        if handles {
            published.handled().await.expect("the handler succeeds");
        }
        times.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    kairo.shutdown().await.expect("the store closes");
    median(&mut times)
}

fn main() {
    let runner = Runner::new("handled: publish -> handled through the durable log");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (time, waits) = (runner.time(TIME), runner.work(WAITS));
    runner.compare(
        "64 publishers, until all is handled, against append alone",
        "/s",
        Promise::From(0.6),
        || runtime.block_on(throughput(time, false)),
        || runtime.block_on(throughput(time, true)),
    );
    runner.compare(
        "one after the other, median time, against append alone",
        "ms",
        Promise::Beyond(1.0),
        || runtime.block_on(latency(waits, false)),
        || runtime.block_on(latency(waits, true)),
    );
}
