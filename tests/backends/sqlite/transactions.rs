//! Transactions that own queries join.

use std::{
    sync::{Arc, mpsc},
    task::{Context, Waker},
};

use kairo::{
    Error, Position, Version,
    delivery::Backend,
    rusqlite::Connection,
    store::{Transaction, Unit},
};
use tokio::{
    runtime::Builder,
    task::{LocalSet, yield_now},
    time::timeout,
};

use super::{PATIENCE, Place, append};

/// A store beside a table of one's own.
async fn shop() -> (Place, Arc<dyn Backend>) {
    let place = Place::new();
    let store = place.store().await.unwrap();
    place.raw().execute_batch("CREATE TABLE stock (item TEXT PRIMARY KEY, left INTEGER)").unwrap();
    (place, store)
}

fn connection(transaction: &mut dyn Transaction) -> &mut Connection {
    transaction.connection().downcast_mut().expect("it is the driver's connection")
}

fn take_in(transaction: &mut dyn Transaction, item: &str) {
    let insert = "INSERT INTO stock VALUES (?1, 7)";
    connection(transaction).execute(insert, [item]).unwrap();
}

fn items(place: &Place) -> i64 {
    place.raw().query_row("SELECT count(*) FROM stock", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn own_queries_and_units_take_effect_together() {
    let (place, store) = shop().await;
    let mut transaction = store.begin().await.unwrap();
    take_in(&mut *transaction, "pen");
    transaction.write(append("user-1", Version::NoStream)).await.unwrap();
    let count = "SELECT count(*) FROM kairo_event";
    let seen: i64 = connection(&mut *transaction).query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!((seen, items(&place)), (1, 0));
    take_in(&mut *transaction, "ink");
    transaction.commit(append("user-1", Version::At(1))).await.unwrap();
    assert_eq!((items(&place), store.head().await.unwrap()), (2, Position::at_sequence(2)));
}

#[tokio::test]
async fn own_queries_are_undone_with_their_units() {
    let (place, store) = shop().await;
    let mut transaction = store.begin().await.unwrap();
    take_in(&mut *transaction, "pen");
    transaction.write(append("user-1", Version::NoStream)).await.unwrap();
    transaction.rollback().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    take_in(&mut *transaction, "pen");
    let refused = transaction.commit(append("user-1", Version::Exists)).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(items(&place), 0);
    let placed = store.commit(append("user-1", Version::NoStream)).await.unwrap().placed[0];
    assert_eq!(placed.position, Position::at_sequence(1));
}

#[tokio::test]
async fn a_transaction_that_fails_frees_the_writer_at_once() {
    let (_place, store) = shop().await;
    let mut transaction = store.begin().await.unwrap();
    transaction.write(append("user-1", Version::Exists)).await.unwrap_err();
    timeout(PATIENCE, store.commit(append("user-1", Version::NoStream))).await.unwrap().unwrap();
    assert!(transaction.connection().downcast_mut::<Connection>().is_none());
    let failed = transaction.write(Unit::default()).await.unwrap_err();
    assert!(failed.to_string().contains("can only be rolled back"), "{failed}");
    drop(store.begin().await.unwrap());
    timeout(PATIENCE, store.commit(append("user-1", Version::At(1)))).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_query_that_ends_the_transaction_is_told() {
    for (ending, kept) in [("COMMIT", 1), ("ROLLBACK", 0), ("COMMIT; DELETE FROM stock", 0)] {
        let (place, store) = shop().await;
        let mut transaction = store.begin().await.unwrap();
        take_in(&mut *transaction, "pen");
        transaction.write(append("user-1", Version::NoStream)).await.unwrap();
        connection(&mut *transaction).execute_batch(ending).unwrap();
        let told = transaction.commit(append("user-1", Version::At(1))).await.unwrap_err();
        assert!(told.to_string().contains("leave COMMIT and ROLLBACK to Kairo"), "{told}");
        let version = u64::from(ending != "ROLLBACK");
        let placed = store.commit(append("user-1", Version::At(version))).await.unwrap().placed[0];
        assert_eq!((placed.version, items(&place)), (version + 1, kept));
    }
}

#[tokio::test]
async fn what_own_queries_do_to_the_log_is_noticed() {
    let (_place, store) = shop().await;
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    let copy = "INSERT INTO kairo_event SELECT 100, id, derived, name, schema, stream, 2, time, \
                correlation, causation, depth, metadata, payload FROM kairo_event";
    for (commits, next) in [(false, (1, 2)), (true, (2, 101))] {
        let mut transaction = store.begin().await.unwrap();
        connection(&mut *transaction).execute(copy, []).unwrap();
        if commits {
            transaction.commit(Unit::default()).await.unwrap();
        } else {
            drop(transaction);
        }
        let mut transaction = store.begin().await.unwrap();
        let unit = append("user-1", Version::At(next.0));
        let placed = transaction.write(unit).await.unwrap().placed[0];
        assert_eq!(placed.position, Position::at_sequence(next.1));
    }
}

#[tokio::test]
async fn a_constraint_that_fails_at_the_end_undoes_all() {
    let (place, store) = shop().await;
    let table =
        "CREATE TABLE sale (item TEXT REFERENCES stock (item) DEFERRABLE INITIALLY DEFERRED)";
    place.raw().execute_batch(table).unwrap();
    let mut transaction = store.begin().await.unwrap();
    let sell = "INSERT INTO sale VALUES ('pen')";
    let own = connection(&mut *transaction);
    let checks: bool = own.query_row("PRAGMA foreign_keys", [], |row| row.get(0)).unwrap();
    assert!(checks, "the bundled SQLite checks references");
    own.execute(sell, []).unwrap();
    let refused = transaction.commit(append("user-1", Version::NoStream)).await.unwrap_err();
    assert!(refused.to_string().contains("FOREIGN KEY constraint failed"), "{refused}");
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    connection(&mut *transaction).execute(sell, []).unwrap();
    take_in(&mut *transaction, "pen");
    transaction.commit(append("user-1", Version::At(1))).await.unwrap();
}

/// Waits until so many wait for the writer.
async fn queue_of(store: &Arc<dyn Backend>, waiting: usize) {
    let shown = format!("waiting: {waiting},");
    timeout(PATIENCE, async {
        while !format!("{store:?}").contains(&shown) {
            yield_now().await;
        }
    })
    .await
    .expect("they wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_has_its_turn_among_publishers() {
    let (_place, store) = shop().await;
    let publish = |from: usize, to: usize| {
        let publish = |number| {
            let (store, unit) =
                (Arc::clone(&store), append(&format!("user-{number}"), Version::Any));
            tokio::spawn(async move { store.commit(unit).await.map(drop) })
        };
        (from..to).map(publish).collect::<Vec<_>>()
    };
    let first = store.begin().await.unwrap();
    let before = publish(0, 10);
    queue_of(&store, 10).await;
    let second = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.begin().await }
    });
    queue_of(&store, 11).await;
    let after = publish(10, 20);
    queue_of(&store, 21).await;
    drop(first);
    let second = timeout(PATIENCE, second).await.expect("it has its turn").unwrap().unwrap();
    assert_eq!(
        store.head().await.unwrap(),
        Position::at_sequence(10),
        "those before, and no other"
    );
    second.commit(append("last", Version::NoStream)).await.unwrap();
    for commit in before.into_iter().chain(after) {
        timeout(PATIENCE, commit).await.expect("the queue is served").unwrap().unwrap();
    }
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(21));
}

#[test]
fn a_call_whose_caller_goes_away_ends_its_transaction() {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (place, store) = shop().await;
        let mut transaction = store.begin().await.unwrap();
        take_in(&mut *transaction, "pen");
        let (done, busy) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || busy.recv());
        {
            let mut write = transaction.write(append("user-1", Version::NoStream));
            let polled = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "the only thread that may block is busy");
        }
        done.send(()).unwrap();
        let commit = store.commit(append("user-1", Version::NoStream));
        timeout(PATIENCE, commit).await.unwrap().unwrap();
        assert!(transaction.commit(Unit::default()).await.is_err());
        assert_eq!(items(&place), 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_a_transaction() {
    let (place, store) = shop().await;
    let mut transaction = store.begin().await.unwrap();
    let closing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.close().await }
    });
    queue_of(&store, 1).await;
    assert!(matches!(store.begin().await, Err(Error::Closed)));
    take_in(&mut *transaction, "pen");
    transaction.commit(append("user-1", Version::NoStream)).await.unwrap();
    timeout(PATIENCE, closing).await.expect("closing comes to an end").unwrap().unwrap();
    assert!(matches!(store.begin().await, Err(Error::Closed)));
    assert_eq!(items(&place), 1);
}

#[test]
fn every_kind_of_runtime_can_hold_a_transaction() {
    for runtime in [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ] {
        let (place, store) = runtime.block_on(shop());
        let sell = async |item: &str| {
            let mut transaction = store.begin().await.unwrap();
            take_in(&mut *transaction, item);
            transaction.write(append("user-1", Version::Any)).await.unwrap();
            transaction.commit(append("user-1", Version::Exists)).await.unwrap();
        };
        runtime.block_on(sell("pen"));
        // A local set does not let its thread block.
        LocalSet::new().block_on(&runtime, sell("ink"));
        assert_eq!(items(&place), 2);
    }
}
