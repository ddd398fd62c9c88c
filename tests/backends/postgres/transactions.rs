//! Transactions that own queries join, and writing inside transactions of others.

use std::{any::Any, sync::Arc};

use kairo::{Error, Version, delivery::Backend, store::Transaction, store::Unit};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};
use tokio::{task::JoinSet, time::timeout};

use super::{
    PATIENCE, Place, append,
    documents::{USERS, insert},
    log, run,
};

/// How many events each of two who publish at a time has.
const EVENTS: usize = 60;

fn connection(transaction: &mut Box<dyn Transaction>) -> &mut PgConnection {
    transaction.connection().downcast_mut().expect("it is the driver's")
}

async fn notes(place: &Place) -> i64 {
    let select = sqlx::query("SELECT count(*) FROM notes");
    select.fetch_one(&mut place.raw().await).await.unwrap().get(0)
}

/// A store, and a table of somebody else.
async fn with_notes() -> (Place, Arc<dyn Backend>) {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    run(&mut place.raw().await, "CREATE TABLE notes (note text UNIQUE)").await;
    (place, store)
}

/// Writes a note of one's own.
async fn note(connection: &mut PgConnection, place: &Place, note: &str) -> sqlx::Result<()> {
    let insert = format!("INSERT INTO {}.notes VALUES ($1)", place.schema);
    sqlx::query(sqlx::AssertSqlSafe(insert)).bind(note).execute(connection).await.map(drop)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn own_queries_take_effect_with_the_transaction() {
    let (place, store) = with_notes().await;
    let mut transaction = store.begin().await.unwrap();
    note(connection(&mut transaction), &place, "one").await.unwrap();
    transaction.write(insert(&USERS, "u1", &json!({}))).await.unwrap();
    assert_eq!((notes(&place).await, log(&*store).await.unwrap().len()), (0, 0));
    transaction.commit(append("users-u1", Version::NoStream)).await.unwrap();
    assert_eq!((notes(&place).await, log(&*store).await.unwrap().len()), (1, 1));
    assert!(store.document(&USERS, "u1").await.unwrap().is_some());
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn own_queries_see_the_documents_of_the_transaction() {
    let (place, store) = with_notes().await;
    let mut transaction = store.begin().await.unwrap();
    transaction.write(insert(&USERS, "u1", &json!({ "name": "Ada" }))).await.unwrap();
    let select = format!("SELECT body->>'name' FROM {}.users", place.schema);
    let select = sqlx::query(sqlx::AssertSqlSafe(select));
    let row = select.fetch_one(connection(&mut transaction)).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "Ada");
    transaction.rollback().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn own_queries_go_with_a_transaction_that_is_dropped_or_rolled_back() {
    let (place, store) = with_notes().await;
    for is_dropped in [true, false] {
        let mut transaction = store.begin().await.unwrap();
        transaction.write(append("users-u1", Version::NoStream)).await.unwrap();
        note(connection(&mut transaction), &place, "one").await.unwrap();
        if is_dropped {
            drop(transaction);
        } else {
            transaction.rollback().await.unwrap();
        }
        store.commit(append("other", Version::Any)).await.unwrap();
        assert_eq!(notes(&place).await, 0);
    }
    assert_eq!(log(&*store).await.unwrap().len(), 2);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_query_that_failed_lets_nothing_be_committed() {
    let (place, store) = with_notes().await;
    for unit in [Unit::default(), append("users-u1", Version::Any)] {
        let mut transaction = store.begin().await.unwrap();
        transaction.write(append("users-u1", Version::Any)).await.unwrap();
        assert!(sqlx::raw_sql("SELECT 1/0").execute(connection(&mut transaction)).await.is_err());
        let committed = transaction.commit(unit).await;
        assert!(matches!(committed, Err(Error::Store { .. })), "{committed:?}");
    }
    assert_eq!((notes(&place).await, log(&*store).await.unwrap().len()), (0, 0));
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_savepoint_of_ones_own_can_fail() {
    let (place, store) = with_notes().await;
    let mut transaction = store.begin().await.unwrap();
    note(connection(&mut transaction), &place, "one").await.unwrap();
    let mut inner = connection(&mut transaction).begin().await.unwrap();
    assert!(note(&mut inner, &place, "one").await.is_err());
    inner.rollback().await.unwrap();
    note(connection(&mut transaction), &place, "two").await.unwrap();
    transaction.commit(Unit::default()).await.unwrap();
    assert_eq!(notes(&place).await, 2);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn transactions_are_used_again_and_no_more_than_there_may_be() {
    let place = Place::with("&pool=2");
    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    let mut all = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        all.spawn(async move {
            let mut transaction = store.begin().await.unwrap();
            let unit = insert(&USERS, &format!("u{number}"), &json!({}));
            transaction.write(unit).await.unwrap();
            match number % 4 {
                0 => drop(transaction),
                1 => transaction.rollback().await.unwrap(),
                _ => drop(transaction.commit(append("users", Version::Any)).await.unwrap()),
            }
        });
    }
    all.join_all().await;
    let all = kairo::documents::Condition::All;
    assert_eq!(store.count_documents(&USERS, &all).await.unwrap(), 20);
    assert_eq!(log(&*store).await.unwrap().len(), 20);
    let select = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 \
         AND state LIKE 'idle in transaction%'";
    let open = sqlx::query(select).bind(&place.schema).fetch_one(&mut place.raw().await).await;
    assert_eq!(open.unwrap().get::<i64, _>(0), 0);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_race_that_cannot_be_repeated_is_a_conflict() {
    let (_place, store) = with_notes().await;
    store.commit(append("users-u1", Version::NoStream)).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    // From here on it sees nothing of what others do.
    let repeatable = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    sqlx::raw_sql(repeatable).execute(connection(&mut transaction)).await.unwrap();
    store.commit(append("users-u1", Version::Any)).await.unwrap();
    let raced = transaction.commit(append("users-u1", Version::Any)).await;
    let Err(Error::Conflict { stream, actual: 2, .. }) = raced else { panic!("{raced:?}") };
    assert_eq!(stream, "users-u1");
    store.close().await.unwrap();
}

/// Writes an event inside a transaction of one's own.
async fn publish(
    store: &dyn Backend,
    connection: &mut PgConnection,
    unit: Unit,
) -> kairo::Result<()> {
    store.write_within(connection as &mut (dyn Any + Send), unit).await.map(drop)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn what_is_written_inside_takes_effect_with_the_transaction_of_others() {
    let (place, store) = with_notes().await;
    let mut raw = place.raw().await;
    let mut watch = store.watch();
    for is_committed in [false, true] {
        let mut transaction = raw.begin().await.unwrap();
        note(&mut transaction, &place, "one").await.unwrap();
        publish(&*store, &mut transaction, append("notes", Version::NoStream)).await.unwrap();
        assert_eq!(log(&*store).await.unwrap().len(), 0, "nobody sees it yet");
        watch.mark_unchanged();
        if is_committed {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(log(&*store).await.unwrap().len(), usize::from(is_committed));
        assert_eq!(notes(&place).await, i64::from(is_committed));
    }
    timeout(PATIENCE, watch.changed()).await.expect("the commit wakes the watchers").unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn only_a_transaction_on_this_store_is_written_into() {
    let (place, store) = with_notes().await;
    let unit = || append("notes", Version::Any);
    let mut other = 7_u32;
    let refused = store.write_within(&mut other, unit()).await.map(drop);
    assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    let mut raw = place.raw().await;
    let refused = publish(&*store, &mut raw, unit()).await;
    let Err(Error::Misuse(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("in no transaction"), "{text}");
    run(&mut raw, "BEGIN").await;
    publish(&*store, &mut raw, unit()).await.unwrap();
    run(&mut raw, "COMMIT").await;
    assert_eq!(log(&*store).await.unwrap().len(), 1);

    let server = Place::server();
    let (host, _) = server.rsplit_once('/').unwrap();
    let mut elsewhere = PgConnection::connect(&format!("{host}/template1")).await.unwrap();
    let mut transaction = elsewhere.begin().await.unwrap();
    let refused = publish(&*store, &mut transaction, unit()).await;
    let Err(Error::Misuse(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("on another database"), "{text}");
    transaction.rollback().await.unwrap();
    store.close().await.unwrap();
}

/// Publishes in transactions of others, and of nobody, to one stream; all of it is there once and in
/// the order of the stream.
async fn check_order(place: &Place) {
    let store = place.store().await.unwrap();
    let mut publishers = JoinSet::new();
    for is_inside in [true, false] {
        let (store, mut raw) = (Arc::clone(&store), place.raw().await);
        publishers.spawn(async move {
            let mut published = 0;
            while published < EVENTS {
                let unit = append("notes", Version::Any);
                if !is_inside {
                    store.commit(unit).await.unwrap();
                    published += 1;
                    continue;
                }
                let mut transaction = raw.begin().await.unwrap();
                sqlx::raw_sql("SELECT pg_current_xact_id()")
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                match publish(&*store, &mut transaction, unit).await {
                    Ok(()) => {
                        transaction.commit().await.unwrap();
                        published += 1;
                    }
                    Err(Error::Conflict { .. } | Error::Store { .. }) => {
                        transaction.rollback().await.unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    publishers.join_all().await;
    let stream = kairo::StreamName::new("notes").unwrap();
    let range = kairo::store::StreamRange::of(1..=u64::MAX);
    let events = store.read_stream(&stream, range, 1_000).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.event.id).collect();
    assert_eq!(ids.len(), 2 * EVENTS);
    assert_eq!(ids, log(&*store).await.unwrap());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn events_of_transactions_of_others_are_in_order() {
    check_order(&Place::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn events_of_transactions_of_others_are_in_order_under_the_lock() {
    check_order(&Place::locked()).await;
}
