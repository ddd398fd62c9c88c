//! A store whose appends are locked: its order, and changing to it.

use std::sync::Arc;

use kairo::{
    Position, Uuid, Version,
    clock::Clock,
    delivery::Backend,
    store::{Append, Removal, Selection, Snapshot, Unit},
};
use tokio::{task::JoinHandle, time::timeout};

use super::{PATIENCE, Place, append, event, log, run};

/// How many write at a time.
const WRITERS: usize = 8;

/// How many times each of them does so.
const ROUNDS: usize = 20;

/// What one writer leaves in the log.
const EACH: usize = 2 * ROUNDS;

/// Makes a store change its mode while it is used.
const CHANGE: &str = "BEGIN; LOCK TABLE kairo_event IN ACCESS EXCLUSIVE MODE; \
     UPDATE kairo_store SET append = 'locked', epoch = epoch + 1; COMMIT";

/// A unit that is written in a transaction.
fn mixed(stream: &str) -> Unit {
    let (event, time) = (event(stream), Clock::system().now());
    let snapshot = Snapshot {
        stream: event.stream.clone(),
        name: "balance".to_owned(),
        version: 1,
        schema: 1,
        time,
        payload: "1".into(),
    };
    let appends = vec![Append::one(event)];
    Unit { appends, snapshots: vec![snapshot], ..Unit::default() }
}

/// Appends in statements and in transactions, to streams that others append to as well.
async fn write(store: Arc<dyn Backend>, writer: usize) {
    for round in 0..ROUNDS {
        let stream = format!("user-{}", (writer + round) % 5);
        store.commit(append(&stream, Version::Any)).await.unwrap();
        store.commit(mixed(&stream)).await.unwrap();
    }
}

/// Makes streams and deletes them, each together with another append.
async fn delete(store: Arc<dyn Backend>) {
    for round in 0..ROUNDS {
        let stream = format!("gone-{round}");
        store.commit(append(&stream, Version::NoStream)).await.unwrap();
        let stream = event(&stream).stream;
        let removal = Removal { stream, expected: Version::Any, tombstone: false };
        let unit = Unit { removals: vec![removal], ..mixed("all") };
        store.commit(unit).await.unwrap();
        store.commit(append("all", Version::Any)).await.unwrap();
    }
}

/// Everything that appends and deletes, on two stores.
fn start(stores: &[Arc<dyn Backend>; 2]) -> Vec<JoinHandle<()>> {
    let writers = (0..WRITERS).map(|it| tokio::spawn(write(Arc::clone(&stores[it % 2]), it)));
    writers.chain([tokio::spawn(delete(Arc::clone(&stores[1])))]).collect()
}

/// Reads events as they come, until there are so many of streams that stay.
async fn follow(store: Arc<dyn Backend>, count: usize) -> Vec<Uuid> {
    let (mut read, mut after) = (Vec::new(), Position::START);
    while read.len() < count {
        let page = store.read_log(after, &Selection::All, 7).await.unwrap();
        let stays = page.events.iter().filter(|it| !it.event.stream.as_str().starts_with("gone-"));
        read.extend(stays.map(|event| event.event.id));
        after = page.end;
    }
    read
}

/// Writes and reads, and does something meanwhile; everything is read once and in order.
async fn check(place: &Place, meanwhile: impl AsyncFnOnce()) {
    let stores = [place.store().await.unwrap(), place.store().await.unwrap()];
    let follower = place.store().await.unwrap();
    let reader = tokio::spawn(follow(Arc::clone(&follower), (WRITERS + 1) * EACH));
    let writers = start(&stores);
    meanwhile().await;
    for writer in writers {
        writer.await.unwrap();
    }
    let read = timeout(PATIENCE, reader).await.expect("the follower comes to the end").unwrap();
    assert_eq!(read, log(&*follower).await.unwrap());
    for store in stores.into_iter().chain([follower]) {
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_follower_passes_no_hole_whoever_appends_and_deletes() {
    check(&Place::locked(), async || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_store_changes_to_the_lock_while_it_is_used() {
    let place = Place::new();
    place.store().await.unwrap().close().await.unwrap();
    check(&place, async || run(&mut place.raw().await, CHANGE).await).await;
    let store = place.store().await.unwrap();
    let placed = store.commit(append("user-1", Version::Any)).await.unwrap().placed[0];
    assert_eq!((placed.position.epoch, placed.position.order), (1, 1));
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn who_asks_for_another_mode_is_refused() {
    let place = Place::locked();
    place.store().await.unwrap().close().await.unwrap();
    place.again("").store().await.unwrap().close().await.unwrap();
    let refused = place.again("&append=gated").store().await.unwrap_err().to_string();
    assert!(
        refused.contains("its appends are `locked`, not `gated` as the URL has it"),
        "{refused}"
    );
}
