//! Durable publishes on SQLite with `synchronous=FULL`: against appends by hand.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../deposits.rs"]
mod deposits;
mod limit;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../runner.rs"]
mod runner;

use std::{sync::Arc, time::Duration};

use deposits::{Deposited, Folder, publish_for, publish_on};
use kairo::clock::Clock;
use limit::{Append, Group, Inline};
use runner::{Promise, Runner, Stopwatch};
use tokio::runtime;

/// How long each side runs in a round.
const TIME: Duration = Duration::from_secs(1);

fn by_hand(event: &Deposited, version: u64) -> Append {
    let clock = Clock::system();
    Append {
        id: clock.new_id(),
        stream: format!("account-{}", event.account),
        version,
        time: clock.now().as_microsecond(),
        payload: serde_json::to_string(event).expect("it is plain data"),
    }
}

async fn inline(publishers: u64, time: Duration) -> f64 {
    let folder = Folder::new();
    let store = Arc::new(Inline::open(&folder.file("limit.db")));
    let watch = Stopwatch::start();
    let publish = move |event, version| {
        let store = Arc::clone(&store);
        async move { store.append(&by_hand(&event, version)).expect("no conflict") }
    };
    watch.per_second(publish_for(publishers, time, publish).await)
}

async fn group(publishers: u64, time: Duration) -> f64 {
    let folder = Folder::new();
    let store = Arc::new(Group::open(&folder.file("limit.db")));
    let watch = Stopwatch::start();
    let publish = move |event, version| {
        let store = Arc::clone(&store);
        async move { store.append(by_hand(&event, version)).await }
    };
    watch.per_second(publish_for(publishers, time, publish).await)
}

async fn kairo(publishers: u64, time: Duration) -> f64 {
    let folder = Folder::new();
    let kairo = folder.bus().await;
    let watch = Stopwatch::start();
    let rate = watch.per_second(publish_on(&kairo, publishers, time).await);
    kairo.shutdown().await.expect("the store closes");
    rate
}

fn main() {
    let runner = Runner::new("publish: durable on SQLite, synchronous=FULL, publishes per second");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let time = runner.time(TIME);
    runner.compare(
        "1 publisher against a transaction each",
        "/s",
        Promise::From(0.8),
        || runtime.block_on(inline(1, time)),
        || runtime.block_on(kairo(1, time)),
    );
    for publishers in [8, 64] {
        runner.compare(
            &format!("{publishers} publishers against group commit"),
            "/s",
            Promise::From(0.75),
            || runtime.block_on(group(publishers, time)),
            || runtime.block_on(kairo(publishers, time)),
        );
    }
}
