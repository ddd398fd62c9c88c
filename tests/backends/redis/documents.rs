//! Documents in hashes: their indexes, large ones, and many who change one at a time.

use std::sync::Arc;

use kairo::{
    Error,
    clock::Clock,
    delivery::Backend,
    documents::{Body, Change, Collection, Condition, DocumentChange, Index, Order, Query},
    store::{Direction, Unit},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Place;

/// More documents than a page has.
const MANY: usize = 700;

/// How many change one document at a time.
const WRITERS: usize = 8;

/// How often each of them does so.
const ROUNDS: usize = 25;

static USERS: Collection = Collection { name: "users", table: "users", indexes: &[] };

static WITH_INDEXES: Collection = Collection {
    name: "users",
    table: "users",
    indexes: &[Index { field: "email", unique: true }, Index { field: "age", unique: false }],
};

fn body(json: &Value) -> Body {
    Body { schema: 1, time: Clock::system().now(), json: json.to_string().into() }
}

fn change(collection: &'static Collection, id: &str, change: Change) -> DocumentChange {
    DocumentChange { collection, id: id.to_owned(), change }
}

fn of(documents: Vec<DocumentChange>) -> Unit {
    Unit { documents, ..Unit::default() }
}

async fn store_with(place: &Place, collection: &'static Collection) -> Arc<dyn Backend> {
    let store = place.store().await.unwrap();
    store.make_collection(collection).await.unwrap();
    store
}

/// Makes documents `u0000` and so on.
async fn fill(store: &dyn Backend, json: impl Fn(usize) -> Value) {
    let insert = |number: usize| {
        change(&USERS, &format!("u{number:04}"), Change::Insert(body(&json(number))))
    };
    store.commit(of((0..MANY).map(insert).collect())).await.unwrap();
}

async fn count(store: &dyn Backend, condition: Condition) -> u64 {
    store.count_documents(&WITH_INDEXES, &condition).await.unwrap()
}

/// How many members or fields a key has.
async fn size(place: &Place, command: &str, room: &str) -> usize {
    let size = place.run(&[command, &place.key(room)]).await;
    redis::from_redis_value(size).unwrap()
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn an_old_collection_gets_new_indexes_and_loses_those_that_are_not_declared() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    fill(&*store, |number| json!({ "email": format!("e{number}"), "age": number % 7 })).await;
    store.make_collection(&WITH_INDEXES).await.unwrap();
    let listed = async || {
        let owners = size(&place, "HLEN", "document-owners:users:email").await;
        (owners, size(&place, "ZCARD", "document-index:users:age").await)
    };
    assert_eq!(listed().await, (MANY, MANY));
    assert_eq!(count(&*store, Condition::Eq("email", json!("e699"))).await, 1);
    assert_eq!(count(&*store, Condition::Eq("age", json!(3))).await, 100);
    assert_eq!(count(&*store, Condition::Eq("age", json!(3.0))).await, 100);
    let seen = store.document(&WITH_INDEXES, "u0003").await.unwrap().unwrap().seen();
    let older = Change::Replace(seen, body(&json!({ "email": "e3", "age": 4 })));
    store.commit(of(vec![change(&WITH_INDEXES, "u0003", older)])).await.unwrap();
    assert_eq!(count(&*store, Condition::Eq("age", json!(3))).await, 99);
    store.make_collection(&USERS).await.unwrap();
    assert_eq!(listed().await, (0, 0));
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn values_that_are_there_twice_get_no_index() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    // The two are in different pages.
    fill(&*store, |number| json!({ "email": format!("e{}", number % (MANY - 1)), "age": 1 })).await;
    let refused = store.make_collection(&WITH_INDEXES).await;
    let Err(Error::ValueTaken { field, value, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((field.as_str(), value.as_deref()), ("email", Some("e0")));
    for (command, room) in [
        ("HLEN", "document-owners:users:email"),
        ("ZCARD", "document-index:users:age"),
        ("HLEN", "document-entries:users"),
    ] {
        assert_eq!(size(&place, command, room).await, 0, "{room}");
    }
    let taken = change(&USERS, "new", Change::Insert(body(&json!({ "email": "e0" }))));
    store.commit(of(vec![taken])).await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis: run ./test"]
async fn many_who_start_at_a_time_make_one_collection() {
    let place = Place::new();
    let store = store_with(&place, &USERS).await;
    fill(&*store, |number| json!({ "email": format!("e{number}"), "age": number })).await;
    let mut starters = JoinSet::new();
    for _ in 0..6 {
        let store = place.store().await.unwrap();
        starters.spawn(async move { store.make_collection(&WITH_INDEXES).await.unwrap() });
    }
    starters.join_all().await;
    assert_eq!(size(&place, "HLEN", "document-owners:users:email").await, MANY);
    assert_eq!(count(&*store, Condition::Eq("age", json!(7))).await, 1);
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn large_documents_are_all_found() {
    let place = Place::new();
    let store = store_with(&place, &WITH_INDEXES).await;
    let text = "x".repeat(900_000);
    for number in 0..12 {
        let json = json!({ "email": number.to_string(), "age": 1, "rank": 12 - number, "t": text });
        let insert = change(&WITH_INDEXES, &format!("u{number}"), Change::Insert(body(&json)));
        store.commit(of(vec![insert])).await.unwrap();
    }
    assert_eq!(count(&*store, Condition::Eq("age", json!(1))).await, 12);
    assert_eq!(count(&*store, Condition::Gt("rank", json!(2))).await, 10);
    let order = vec![Order { field: "rank", direction: Direction::Forwards }];
    let query = Query { condition: Condition::All, order, limit: 2, after: None };
    let found = store.find(&WITH_INDEXES, &query).await.unwrap();
    let ids: Vec<_> = found.iter().map(|document| document.id.as_str()).collect();
    assert_eq!(ids, ["u11", "u10"]);
    place.remove().await;
}

/// Adds one to a number, as often as it takes.
async fn count_up(store: Arc<dyn Backend>) {
    for _ in 0..ROUNDS {
        loop {
            let there = store.document(&USERS, "u").await.unwrap().expect("it is there");
            let value: Value = serde_json::from_slice(&there.body.json).unwrap();
            let next = json!({ "count": value["count"].as_u64().unwrap() + 1 });
            let replace = Change::Replace(there.seen(), body(&next));
            match store.commit(of(vec![change(&USERS, "u", replace)])).await {
                Ok(_) => break,
                Err(Error::DocumentMoved { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis: run ./test"]
async fn many_who_change_one_document_lose_nothing() {
    let place = Place::new();
    let stores = [store_with(&place, &USERS).await, place.store().await.unwrap()];
    let zero = change(&USERS, "u", Change::Insert(body(&json!({ "count": 0 }))));
    stores[0].commit(of(vec![zero])).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(count_up(Arc::clone(&stores[writer % 2])));
    }
    writers.join_all().await;
    let document = stores[0].document(&USERS, "u").await.unwrap().unwrap();
    let value: Value = serde_json::from_slice(&document.body.json).unwrap();
    let all = WRITERS * ROUNDS;
    assert_eq!((value, document.version), (json!({ "count": all }), all as u64 + 1));
    place.remove().await;
}
