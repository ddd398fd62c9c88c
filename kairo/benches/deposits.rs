//! Publishers side by side, and what they publish: about 200 bytes of JSON, ten to a stream.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use kairo::{Envelope, Kairo, Uuid, clock::Clock, prelude::*};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinSet};

use crate::runner::Stopwatch;

/// How many events are appended in one commit where a store is filled.
const BATCH: u64 = 1_000;

/// How many events a stream gets.
const STREAM_EVENTS: u64 = 10;

/// What is published.
#[event("account.deposited")]
pub(crate) struct Deposited {
    #[key]
    pub(crate) account: Uuid,
    pub(crate) number: u64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reference: String,
    pub(crate) memo: String,
}

/// The events of one publisher, in order.
#[derive(Debug)]
pub(crate) struct Deposits {
    clock: Clock,
    account: Uuid,
    count: u64,
}

impl Deposits {
    pub(crate) fn new() -> Self {
        Self { clock: Clock::system(), account: Uuid::nil(), count: 0 }
    }

    /// The next event, and its version in its stream.
    pub(crate) fn next(&mut self) -> (Deposited, u64) {
        let (number, version) = (self.count, self.count % STREAM_EVENTS + 1);
        self.count += 1;
        if version == 1 {
            self.account = self.clock.new_id();
        }
        let event = Deposited {
            account: self.account,
            number,
            amount: 1_250,
            currency: "EUR".to_owned(),
            reference: format!("invoice-{number:010}"),
            memo: "thank you for the flowers, they arrived in time".to_owned(),
        };
        (event, version)
    }
}

/// A folder on a disk, which is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made"))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A bus on a store in this folder.
    pub(crate) async fn bus(&self) -> Kairo {
        let url = format!("sqlite:{}", self.file("kairo.db").display());
        Kairo::builder().store(url).start().await.expect("the store opens")
    }
}

/// Lets `publishers` publish side by side for `time`; how many publishes there were.
pub(crate) async fn publish_for<P, F>(publishers: u64, time: Duration, publish: P) -> u64
where
    P: Fn(Deposited, u64) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for _ in 0..publishers {
        let publish = publish.clone();
        tasks.spawn(async move {
            let mut deposits = Deposits::new();
            while watch.elapsed() < time {
                let (event, version) = deposits.next();
                publish(event, version).await;
            }
            deposits.count
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// Publishes on a bus as [`publish_for`] does.
pub(crate) async fn publish_on(bus: &Kairo, publishers: u64, time: Duration) -> u64 {
    let bus = bus.clone();
    let publish = move |event, _| {
        let bus = bus.clone();
        async move { drop(bus.publish(event).await.expect("the store takes it")) }
    };
    publish_for(publishers, time, publish).await
}

/// Fills a store with so many events.
pub(crate) async fn fill(url: &str, events: u64) {
    let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
    let mut deposits = Deposits::new();
    for _ in 0..events / BATCH {
        let batch: Vec<_> = (0..BATCH).map(|_| deposits.next().0).collect();
        let _ = kairo.publish_all(batch).await.expect("the store takes them");
    }
    kairo.shutdown().await.expect("the store closes");
}

/// Lets a new subscription handle the whole log.
pub(crate) async fn catch_up(kairo: &Kairo, name: String, events: u64) {
    let done = Arc::new((AtomicU64::new(0), Notify::new()));
    let counter = Arc::clone(&done);
    let handle = move |event: Envelope<Deposited>| {
        let (count, end) = &*counter;
        if count.fetch_add(u64::from(event.amount == 1_250), Relaxed) + 1 == events {
            end.notify_one();
        }
        async {}
    };
    let subscribe = kairo.subscribe::<Deposited>(name).from_beginning();
    subscribe.handle(handle).await.expect("the name is free");
    done.1.notified().await;
}
