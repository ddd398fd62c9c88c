//! The queue for the writer: shared transactions, and callers that go away.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use kairo::{
    Error, Position, Version,
    delivery::Backend,
    store::{Committed, StreamRange},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, LocalSet},
    time::timeout,
};

use super::{PATIENCE, Place, append};

/// How many units wait together.
const UNITS: u64 = 32;

type Commit = JoinHandle<kairo::Result<Committed>>;

/// Starts commits while somebody else writes to the file, so that they form a queue: those of even
/// numbers succeed, those of odd ones are refused.
async fn queue(place: &Place, store: &Arc<dyn Backend>) -> Vec<(u64, Commit)> {
    let guest = place.raw();
    guest.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits = (0..UNITS).map(|unit| {
        let store = Arc::clone(store);
        let commit = tokio::spawn(async move {
            let expected = if unit % 2 == 0 { Version::NoStream } else { Version::Exists };
            store.commit(append(&format!("user-{unit}"), expected)).await
        });
        (unit, commit)
    });
    let commits = commits.collect();
    timeout(PATIENCE, async {
        while !format!("{store:?}").contains(&format!("waiting: {}", UNITS - 1)) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all but the first wait");
    guest.execute_batch("ROLLBACK").unwrap();
    commits
}

async fn check(commits: Vec<(u64, Commit)>) {
    for (unit, commit) in commits {
        match commit.await.unwrap() {
            Ok(committed) => assert_eq!((unit % 2, committed.placed[0].version), (0, 1)),
            Err(Error::Conflict { stream, .. }) => {
                assert_eq!((unit % 2, stream), (1, format!("user-{unit}")));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_queue_is_one_transaction_and_each_gets_its_own_result() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let watch = store.watch();
    check(queue(&place, &store).await).await;
    // One alone, which may be one that is refused, and the others together.
    assert!(*watch.borrow() <= 2, "{} transactions", *watch.borrow());
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(UNITS / 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_sqlite_refuses_fails_alone() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON kairo_event WHEN NEW.stream = 'user-8' \
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    place.raw().execute_batch(trigger).unwrap();
    let mut commits = queue(&place, &store).await;
    let (_, refused) = commits.remove(8);
    let error = refused.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("not this one"), "{error}");
    check(commits).await;
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(UNITS / 2 - 1));
    let stream = kairo::StreamName::new("user-8").unwrap();
    assert!(store.read_stream(&stream, StreamRange::ALL, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_go_away_leave_the_queue_to_the_others() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let mut commits = queue(&place, &store).await;
    for (_, commit) in commits.drain(..).step_by(3) {
        commit.abort();
    }
    let last = timeout(PATIENCE, store.commit(append("last", Version::NoStream))).await;
    last.expect("the queue is served").unwrap();
    // A turn that nobody waits for is passed on.
    drop(store.subscriptions());
    let mut release = store.release(vec![("nobody".to_owned(), 1)]);
    let _ = release.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(release);
    store.commit(append("last", Version::At(1))).await.unwrap();
    timeout(PATIENCE, store.close()).await.expect("closing comes to an end").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_twice_at_a_time_ends_for_both() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let closers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.close().await })
        })
        .collect();
    for closer in closers {
        timeout(PATIENCE, closer).await.expect("closing comes to an end").unwrap().unwrap();
    }
    assert!(place.store().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_the_queue_has_room_for_are_all_served() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let guest = place.raw();
    guest.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits: Vec<Commit> = (0..2_000)
        .map(|unit| {
            let store = Arc::clone(&store);
            let unit = append(&format!("user-{unit}"), Version::NoStream);
            tokio::spawn(async move { store.commit(unit).await })
        })
        .collect();
    timeout(PATIENCE, async {
        while !format!("{store:?}").contains("waiting: 1024") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the queue is full");
    guest.execute_batch("ROLLBACK").unwrap();
    for commit in commits {
        timeout(PATIENCE, commit).await.expect("the queue is served").unwrap().unwrap();
    }
}

fn runtimes() -> [Runtime; 2] {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(2).enable_all();
    [Builder::new_current_thread().enable_all().build().unwrap(), threads.build().unwrap()]
}

#[test]
fn every_kind_of_runtime_will_do() {
    for runtime in runtimes() {
        let place = Place::new();
        let store = runtime.block_on(place.store()).unwrap();
        let commit = |round| store.commit(append("user-1", Version::At(round)));
        runtime.block_on(commit(0)).unwrap();
        // A local set does not let its thread block.
        LocalSet::new().block_on(&runtime, commit(1)).unwrap();
        LocalSet::new().block_on(&runtime, store.head()).unwrap();
        // Without a runtime there is nobody to disturb.
        let future = pin!(commit(2));
        let polled = future.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))), "{polled:?}");
    }
}

#[test]
fn a_store_outlives_the_runtime_that_it_was_used_in() {
    let place = Place::new();
    let [first, second] = runtimes();
    let store = first.block_on(place.store()).unwrap();
    for unit in 0..UNITS {
        let store = Arc::clone(&store);
        first.spawn(async move { store.commit(append("user", Version::At(unit))).await });
    }
    first.shutdown_background();
    second.block_on(async {
        let commit = store.commit(append("after", Version::NoStream));
        timeout(PATIENCE, commit).await.expect("the queue is served").unwrap();
        timeout(PATIENCE, store.close()).await.expect("closing comes to an end").unwrap();
    });
}
