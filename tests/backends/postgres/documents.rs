//! Documents in tables: whose they are, their indexes, and many who change one at a time.

use std::sync::Arc;

use kairo::{
    Error, Uuid, Version,
    clock::Clock,
    delivery::Backend,
    documents::{
        Body, Change, Collection, Condition, Cursor, DocumentChange, Index, Order, Query, Seen,
    },
    store::{Direction, Unit},
};
use serde_json::{Value, json};
use sqlx::Row;
use tokio::{task::JoinSet, time::timeout};

use super::{PATIENCE, Place, append, run};

/// How many change one document at a time.
const WRITERS: usize = 8;

/// How often each of them does so.
const ROUNDS: usize = 25;

pub(crate) static USERS: Collection = Collection { name: "users", table: "users", indexes: &[] };

static WITH_EMAIL: Collection = Collection {
    name: "users",
    table: "users",
    indexes: &[Index { field: "email", unique: true }, Index { field: "age", unique: false }],
};

pub(crate) fn body(json: &Value) -> Body {
    Body { schema: 1, time: Clock::system().now(), json: json.to_string().into() }
}

pub(crate) fn change(collection: &'static Collection, id: &str, change: Change) -> Unit {
    let documents = vec![DocumentChange { collection, id: id.to_owned(), change }];
    Unit { documents, ..Unit::default() }
}

pub(crate) fn insert(collection: &'static Collection, id: &str, json: &Value) -> Unit {
    change(collection, id, Change::Insert(body(json)))
}

async fn seen(store: &dyn Backend, id: &str) -> Seen {
    store.document(&USERS, id).await.unwrap().expect("it is there").seen()
}

/// A text that is like no other.
fn digest(number: u32) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes()).simple().to_string()
}

async fn store_with(place: &Place, collection: &'static Collection) -> Arc<dyn Backend> {
    let store = place.store().await.unwrap();
    store.make_collection(collection).await.unwrap();
    store
}

/// The indexes of the table, beside that of its key.
async fn indexes(place: &Place) -> Vec<String> {
    let select = "SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = 'users' \
         AND indexname <> 'users_pkey' ORDER BY 1";
    let rows = sqlx::query(select).bind(&place.schema).fetch_all(&mut place.raw().await).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_table_or_a_view_of_somebody_else_is_refused() {
    for foreign in ["CREATE TABLE users (id int)", "CREATE VIEW users AS SELECT 1 AS id"] {
        let place = Place::new();
        let store = place.store().await.unwrap();
        run(&mut place.raw().await, foreign).await;
        let refused = store.make_collection(&USERS).await;
        assert!(matches!(refused, Err(Error::Foreign { .. })), "{refused:?}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_table_that_the_store_has_itself_is_refused() {
    let store = Place::new().store().await.unwrap();
    for table in ["kairo_event", "kairo_saga", "Users", "a b", "x\"; DROP TABLE kairo_event; --"] {
        let indexes: &'static [Index] = &[];
        let collection: &'static _ = Box::leak(Box::new(Collection { name: "x", table, indexes }));
        let refused = store.make_collection(collection).await;
        assert!(matches!(refused, Err(Error::Invalid { what: "table", .. })), "{refused:?}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_collection_that_has_not_been_made_is_named() {
    let store = Place::new().store().await.unwrap();
    let refused = [
        store.commit(insert(&USERS, "u1", &json!({}))).await.map(drop),
        store.document(&USERS, "u1").await.map(drop),
        store.count_documents(&USERS, &Condition::All).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(Error::NotFound { what: "collection", .. })), "{refused:?}");
    }
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn two_who_start_at_a_time_make_one_collection() {
    let place = Place::new();
    let mut starters = JoinSet::new();
    for _ in 0..6 {
        let store = place.store().await.unwrap();
        starters.spawn(async move {
            store.make_collection(&WITH_EMAIL).await.unwrap();
            store.close().await.unwrap();
        });
    }
    starters.join_all().await;
    assert_eq!(indexes(&place).await.len(), 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn an_old_table_gets_a_new_index_and_loses_one_that_is_not_declared() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    store.commit(insert(&USERS, "u1", &json!({ "email": "a", "age": 1 }))).await.unwrap();
    let own = "CREATE INDEX own ON users (changed)";
    run(&mut place.raw().await, own).await;
    store.make_collection(&WITH_EMAIL).await.unwrap();
    assert_eq!(indexes(&place).await.len(), 3);
    let taken = store.commit(insert(&WITH_EMAIL, "u2", &json!({ "email": "a" }))).await;
    let Err(Error::ValueTaken { field, value, .. }) = taken else { panic!("{taken:?}") };
    assert_eq!((field.as_str(), value.as_deref()), ("email", Some("a")));
    store.make_collection(&USERS).await.unwrap();
    let left = indexes(&place).await;
    assert!(matches!(left.as_slice(), [left] if left.contains("own")), "{left:?}");
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn values_that_are_there_twice_get_no_unique_index() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    for id in ["u1", "u2"] {
        store.commit(insert(&USERS, id, &json!({ "email": "a@b" }))).await.unwrap();
    }
    let refused = store.make_collection(&WITH_EMAIL).await;
    let Err(Error::ValueTaken { field, value, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((field.as_str(), value.as_deref()), ("email", Some("a@b")));
    assert!(indexes(&place).await.is_empty());
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_unique_index_that_people_have_made_is_named() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    let own = "CREATE UNIQUE INDEX own ON users ((body->>'name'))";
    run(&mut place.raw().await, own).await;
    store.commit(insert(&USERS, "u1", &json!({ "name": "Ada" }))).await.unwrap();
    let taken = store.commit(insert(&USERS, "u2", &json!({ "name": "Ada" }))).await;
    assert!(taken.is_err(), "{taken:?}");
    store.commit(insert(&USERS, "u3", &json!({ "name": "Bea" }))).await.unwrap();
    let renamed = Change::Replace(seen(&*store, "u3").await, body(&json!({ "name": "Ada" })));
    let taken = store.commit(change(&USERS, "u3", renamed)).await;
    assert!(matches!(&taken, Err(Error::ValueTaken { field, .. }) if field == "own"), "{taken:?}");
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn what_the_server_cannot_keep_is_refused() {
    let store = store_with(&Place::new(), &WITH_EMAIL).await;
    // The server cannot make it much smaller.
    let long: String = (0..300_u32).map(digest).collect();
    for (id, json) in
        [("u1", json!({ "name": "a\0b" })), ("u\0", json!({})), ("u2", json!({ "email": long }))]
    {
        let refused = store.commit(insert(&WITH_EMAIL, id, &json)).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{id:?}: {refused:?}");
    }
    let refused = store.count_documents(&WITH_EMAIL, &Condition::Eq("name", json!("\0"))).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    store.commit(insert(&WITH_EMAIL, "u1", &json!({ "name": "\\u0000" }))).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn an_index_is_used_for_equality_and_for_pages() {
    let place = Place::new();
    let store = store_with(&place, &WITH_EMAIL).await;
    let fill = "INSERT INTO users SELECT 'u' || n, 1, 1, now(), now(), \
         jsonb_build_object('email', 'e' || n, 'age', n % 50) FROM generate_series(1, 3000) AS n";
    run(&mut place.raw().await, fill).await;
    run(&mut place.raw().await, "ANALYZE users").await;
    let order = vec![Order { field: "age", direction: Direction::Forwards }];
    let after = Some(Cursor { values: vec![json!(40)], id: "u2".into() });
    let page = Query { condition: Condition::All, order, limit: 5, after };
    let by_id = |condition, limit| Query { condition, order: vec![], limit, after: None };
    for query in [
        by_id(Condition::Eq("email", json!("e77")), 1),
        by_id(Condition::Eq("age", json!(7)), 5),
        by_id(Condition::In("age", vec![json!(7)]), 5),
        page,
    ] {
        assert_eq!(store.find(&WITH_EMAIL, &query).await.unwrap().len(), query.limit, "{query:?}");
    }
    // What a session has scanned is known when it has ended.
    store.close().await.unwrap();
    let scans = async {
        loop {
            let scans = scans(&place).await;
            if 4 <= scans.iter().map(|(_, scans)| scans).sum::<i64>() {
                return scans;
            }
        }
    };
    let scans = timeout(PATIENCE, scans).await.expect("the server counts scans");
    let of = |part: &str| scans.iter().find(|(name, _)| name.contains(part)).map(|(_, it)| *it);
    assert_eq!((of("_email"), of("_age"), of("_pkey")), (Some(1), Some(3), Some(0)), "{scans:?}");
}

/// How often each index of the table was scanned.
async fn scans(place: &Place) -> Vec<(String, i64)> {
    let select = "SELECT indexrelname::text, idx_scan FROM pg_stat_user_indexes \
         WHERE schemaname = $1 AND relname = 'users'";
    let rows = sqlx::query(select).bind(&place.schema).fetch_all(&mut place.raw().await).await;
    rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn people_can_read_documents() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    store.commit(insert(&USERS, "u1", &json!({ "name": "Ada", "age": 7 }))).await.unwrap();
    let select = "SELECT body->>'name', (body->'age')::int, now() - changed < '1 minute' AND \
         created = changed, version FROM users WHERE id = 'u1'";
    let row = sqlx::query(select).fetch_one(&mut place.raw().await).await.unwrap();
    let read: (String, i32, bool, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(read, ("Ada".to_owned(), 7, true, 1));
    store.close().await.unwrap();
}

/// Adds one to a number, as often as it takes; how often somebody else was quicker.
async fn count_up(store: Arc<dyn Backend>, told: bool) -> usize {
    let mut moved = 0;
    for _ in 0..ROUNDS {
        loop {
            let there = store.document(&USERS, "u1").await.unwrap().expect("it is there");
            let value: Value = serde_json::from_slice(&there.body.json).unwrap();
            let next = json!({ "count": value["count"].as_u64().unwrap() + 1 });
            let mut unit = change(&USERS, "u1", Change::Replace(there.seen(), body(&next)));
            if told {
                unit.appends = append("users-u1", Version::Any).appends;
            }
            match store.commit(unit).await {
                Ok(_) => break,
                Err(Error::DocumentMoved { .. }) => moved += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    moved
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn many_who_change_one_document_lose_nothing() {
    let place = Place::new();
    let stores = [store_with(&place, &USERS).await, place.store().await.unwrap()];
    stores[0].commit(insert(&USERS, "u1", &json!({ "count": 0 }))).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(count_up(Arc::clone(&stores[writer % 2]), writer % 4 < 2));
    }
    let moved: usize = writers.join_all().await.into_iter().sum();
    assert!(0 < moved, "nobody met anybody");
    let all = WRITERS * ROUNDS;
    let document = stores[0].document(&USERS, "u1").await.unwrap().unwrap();
    let value: Value = serde_json::from_slice(&document.body.json).unwrap();
    assert_eq!((value, document.version), (json!({ "count": all }), all as u64 + 1));
    let events = super::log(&*stores[1]).await.unwrap();
    assert_eq!(events.len(), all / 2, "each change that is told has one event");
    for store in stores {
        store.close().await.unwrap();
    }
}
