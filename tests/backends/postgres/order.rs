//! The order of the log while others have transactions open.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kairo::{Position, Version, delivery::Backend, store::Selection};
use tokio::time::timeout;

use super::{PATIENCE, Place, append, log, run};

/// How many write at a time.
const WRITERS: usize = 8;

/// How many events each of them writes.
const ROUNDS: usize = 40;

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn what_is_behind_an_open_transaction_is_read_when_that_ends() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let first = store.commit(append("user-1", Version::Any)).await.unwrap().placed[0];
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT pg_current_xact_id()").await;
    let second = store.commit(append("user-1", Version::At(1))).await.unwrap().placed[0];
    assert!(first.position < second.position);
    let page = store.read_log(first.position, &Selection::All, 10).await.unwrap();
    assert_eq!((page.events.len(), page.end), (0, first.position));
    let events = store.read_at(&[second.position]).await.unwrap();
    assert_eq!(events.len(), 1, "its place is known all the same");
    run(&mut raw, "ROLLBACK").await;
    assert_eq!(log(&*store).await.unwrap(), [first.id, second.id]);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_transaction_that_began_early_and_appends_late_keeps_the_order_of_its_stream() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT pg_current_xact_id()").await;
    let first = store.commit(append("user-1", Version::NoStream)).await.unwrap().placed[0];
    // As a unit does it in its transaction.
    let insert = "INSERT INTO kairo_event (epoch, order_id, version, id, time, correlation, schema, \
         depth, derived, name, stream, payload) SELECT l.epoch, \
         greatest(l.order_id, pg_current_xact_id()::text::bigint), 2, gen_random_uuid(), 0, l.id, \
         1, 0, false, 'user.created', 'user-1', '{}' FROM kairo_event AS l; COMMIT";
    run(&mut raw, insert).await;
    let page = store.read_log(Position::START, &Selection::All, 10).await.unwrap();
    let versions: Vec<_> = page.events.iter().map(|event| event.version).collect();
    assert_eq!((versions, page.events[0].event.id), (vec![1, 2], first.id));
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_follower_of_two_writing_processes_passes_no_hole() {
    let place = Arc::new(Place::new());
    let stores = [place.store().await.unwrap(), place.store().await.unwrap()];
    let follower = place.store().await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let disturber = tokio::spawn(disturb(Arc::clone(&place), Arc::clone(&done)));
    let reader = tokio::spawn(follow(Arc::clone(&follower), WRITERS * ROUNDS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&stores[writer % 2]);
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let stream = format!("user-{}", (writer + round) % 5);
                    store.commit(append(&stream, Version::Any)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let read = timeout(PATIENCE, reader).await.expect("the follower comes to an end").unwrap();
    done.store(true, Ordering::Relaxed);
    disturber.await.unwrap();
    assert_eq!(read, log(&*follower).await.unwrap());
    for store in stores.into_iter().chain([follower]) {
        store.close().await.unwrap();
    }
}

/// Reads events as they come, until there are so many.
async fn follow(store: Arc<dyn Backend>, count: usize) -> Vec<kairo::Uuid> {
    let (mut read, mut after) = (Vec::new(), Position::START);
    while read.len() < count {
        let page = store.read_log(after, &Selection::All, 7).await.unwrap();
        read.extend(page.events.iter().map(|event| event.event.id));
        after = page.end;
    }
    read
}

/// Opens transactions, and rolls every other one back.
async fn disturb(place: Arc<Place>, done: Arc<AtomicBool>) {
    let mut raw = place.raw().await;
    run(&mut raw, "CREATE TABLE other (x int)").await;
    while !done.load(Ordering::Relaxed) {
        let slow = "INSERT INTO other VALUES (1); SELECT pg_sleep(0.01)";
        run(&mut raw, &format!("BEGIN; {slow}; COMMIT")).await;
        run(&mut raw, &format!("BEGIN; {slow}; ROLLBACK")).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_log_that_finds_itself_on_another_server_enters_a_new_epoch() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let first = store.commit(append("user-1", Version::Any)).await.unwrap().placed[0];
    store.close().await.unwrap();
    // As after a dump of a server that had come further was restored here.
    let mut raw = place.raw().await;
    run(&mut raw, "UPDATE kairo_event SET order_id = order_id + 1000000000").await;
    let store = place.store().await.unwrap();
    let second = store.commit(append("user-1", Version::At(1))).await.unwrap().placed[0];
    assert_eq!((first.position.epoch, second.position.epoch), (0, 1));
    assert_eq!(log(&*store).await.unwrap(), [first.id, second.id]);
    store.close().await.unwrap();

    run(&mut raw, "UPDATE kairo_store SET timeline = 'other'").await;
    let store = place.store().await.unwrap();
    let third = store.commit(append("user-1", Version::At(2))).await.unwrap().placed[0];
    assert_eq!(third.position.epoch, 2);
    assert_eq!(log(&*store).await.unwrap(), [first.id, second.id, third.id]);
    store.close().await.unwrap();
}
