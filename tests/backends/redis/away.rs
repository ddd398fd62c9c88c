//! Servers that restart and connections that are lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kairo::{
    Position, StreamName, Version, backend,
    clock::Clock,
    delivery::Backend,
    store::{Selection, StreamRange, Unit},
};

use super::{
    PATIENCE, Place, append,
    proxy::Proxy,
    server::{DURABLE, Server},
};

/// How many tasks write at a time.
const WRITERS: u64 = 8;

/// How often the server is killed.
const CRASHES: u64 = 5;

/// How many events are acknowledged between two crashes.
const BETWEEN: u64 = 200;

async fn versions_of(store: &dyn Backend, stream: &str) -> Vec<u64> {
    let stream = StreamName::new(stream).unwrap();
    let events = store.read_stream(&stream, StreamRange::ALL, usize::MAX >> 1).await.unwrap();
    events.iter().map(|event| event.version).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn a_server_that_is_killed_under_load_loses_and_doubles_nothing() {
    let mut server = Server::start(&DURABLE).await;
    let store = backend::open(&server.url(), &Clock::system()).await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let stream = format!("user-{writer}");
                let mut version = 0;
                while acknowledged.load(Ordering::SeqCst) < (CRASHES + 1) * BETWEEN {
                    // Were a request to take effect twice, the version would not be as expected.
                    store.commit(append(&stream, Version::At(version))).await.unwrap();
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    version += 1;
                }
                version
            })
        })
        .collect();
    for crash in 1..=CRASHES {
        until(|| crash * BETWEEN <= acknowledged.load(Ordering::SeqCst)).await;
        server.crash_and_restart();
    }
    for (writer, task) in writers.into_iter().enumerate() {
        let written = task.await.unwrap();
        let versions = versions_of(&*store, &format!("user-{writer}")).await;
        assert_eq!(versions, (1..=written).collect::<Vec<_>>());
    }
    store.close().await.unwrap();
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            Clock::system().sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes to that");
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_commit_whose_answer_is_lost_takes_effect_once() {
    let place = Place::new();
    let proxy = Proxy::before(Place::address()).await;
    let store = backend::open(&place.url_at(proxy.address()), &Clock::system()).await.unwrap();
    for version in 0..5 {
        proxy.cut(1 + u32::try_from(version).unwrap() % 3);
        let committed = store.commit(append("user-1", Version::At(version))).await.unwrap();
        assert_eq!(proxy.cuts_left(), 0);
        assert_eq!(committed.placed[0].version, version + 1);
    }
    assert_eq!(versions_of(&*store, "user-1").await, [1, 2, 3, 4, 5]);
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(5));
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_refusal_whose_answer_is_lost_stays_one() {
    let place = Place::new();
    let proxy = Proxy::before(Place::address()).await;
    let store = backend::open(&place.url_at(proxy.address()), &Clock::system()).await.unwrap();
    proxy.cut(2);
    let refused = store.commit(append("user-1", Version::Exists)).await;
    assert!(matches!(refused, Err(kairo::Error::Conflict { actual: 0, .. })), "{refused:?}");
    assert!(versions_of(&*store, "user-1").await.is_empty());
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_commit_wakes_the_watchers_of_other_processes() {
    let place = Place::new();
    let (ours, theirs) = (place.store().await.unwrap(), place.store().await.unwrap());
    let mut watch = theirs.watch();
    for version in 0..5 {
        let wake = async {
            loop {
                watch.changed().await.unwrap();
                let all = &Selection::All;
                let head = Position::at_sequence(version);
                if !theirs.read_log(head, all, 10).await.unwrap().events.is_empty() {
                    return;
                }
            }
        };
        ours.commit(append("user-1", Version::At(version))).await.unwrap();
        tokio::time::timeout(PATIENCE, wake).await.expect("the watcher is woken");
    }
    assert!(ours.commit(Unit::default()).await.unwrap().placed.is_empty());
}
