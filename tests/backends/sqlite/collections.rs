//! The tables of documents: whose they are, and what people see of them.

use kairo::{
    Error,
    clock::Clock,
    delivery::Backend,
    documents::{Body, Change, Collection, Condition, DocumentChange, Index, Query},
    store::Unit,
};

use super::Place;

const EMAIL: Index = Index { field: "email", unique: true };
const AGE: Index = Index { field: "age", unique: false };

static USERS: Collection = Collection { name: "user", table: "users", indexes: &[EMAIL, AGE] };
static PLAIN: Collection = Collection { name: "user", table: "users", indexes: &[] };

async fn insert(store: &dyn Backend, id: &str, json: &str) -> kairo::Result<()> {
    let body = Body { schema: 3, time: Clock::system().now(), json: json.to_owned().into() };
    let change = Change::Insert(body);
    let change = DocumentChange { collection: &USERS, id: id.to_owned(), change };
    store.commit(Unit { documents: vec![change], ..Unit::default() }).await.map(drop)
}

#[tokio::test]
async fn documents_can_be_queried_by_people() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    insert(&*store, "u1", r#"{"email":"ada@example.org","age":36}"#).await.unwrap();
    let query = "SELECT id, version, schema, body ->> 'email', created = changed FROM users \
                 WHERE body ->> 'age' = 36";
    let row: (String, i64, i64, String, bool) =
        place.raw().query_row(query, [], |row| row.try_into()).unwrap();
    assert_eq!(row, ("u1".to_owned(), 1, 3, "ada@example.org".to_owned(), true));
}

#[tokio::test]
async fn a_table_of_somebody_else_is_not_touched() {
    for foreign in [
        "CREATE TABLE users (id TEXT PRIMARY KEY, body TEXT)",
        "CREATE TABLE Users (name TEXT)",
        "CREATE VIEW users AS SELECT 1",
        "CREATE INDEX users ON kairo_event (name)",
    ] {
        let place = Place::new();
        let store = place.store().await.unwrap();
        place.raw().execute_batch(foreign).unwrap();
        let error = store.make_collection(&USERS).await.unwrap_err();
        assert!(matches!(&error, Error::Foreign { store, .. } if store.ends_with("#users")));
        assert!(error.to_string().contains("somebody else has made this"), "{error}");
        let unknown = store.document(&USERS, "u1").await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no collection `user`");
        let changed = insert(&*store, "u1", "{}").await.unwrap_err();
        assert_eq!(changed.to_string(), "there is no collection `user`");
    }
}

#[tokio::test]
async fn names_that_cannot_be_in_statements_are_refused() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let long = "a".repeat(49);
    for table in ["", "Users", "1st", "a b", "a\"b", "us\u{e9}r", "kairo_event", "sqlite_x", &long]
    {
        let table: &'static str = String::leak(table.to_owned());
        let collection = Box::leak(Box::new(Collection { name: "user", table, indexes: &[] }));
        let error = store.make_collection(collection).await.unwrap_err();
        assert!(error.to_string().starts_with("table of a collection `"), "{error}");
    }
    for field in ["", "1st", "a b", "a'b", "a.b", "\u{e9}"] {
        let indexes = Vec::leak(vec![Index { field, unique: true }]);
        let collection = Box::leak(Box::new(Collection { name: "user", table: "users", indexes }));
        let error = store.make_collection(collection).await.unwrap_err();
        assert!(error.to_string().starts_with("field `"), "{error}");
        store.make_collection(&PLAIN).await.unwrap();
        let counted = store.count_documents(&PLAIN, &Condition::IsNull(field)).await;
        assert!(matches!(counted, Err(Error::Invalid { what: "field", .. })), "{counted:?}");
    }
}

fn indexes(place: &Place) -> Vec<String> {
    let raw = place.raw();
    let names = "SELECT name FROM sqlite_schema WHERE tbl_name = 'users' AND sql IS NOT NULL \
                 AND type = 'index' ORDER BY name";
    let mut names = raw.prepare(names).unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_old_table_gets_new_indexes_and_keeps_those_of_people() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&PLAIN).await.unwrap();
    insert(&*store, "u1", r#"{"email":"ada@example.org"}"#).await.unwrap();
    place.raw().execute_batch("CREATE INDEX mine ON users (changed)").unwrap();
    store.close().await.unwrap();

    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    assert_eq!(indexes(&place), ["kairo_index:users.age", "kairo_unique:users.email", "mine"]);
    let taken = insert(&*store, "u2", r#"{"email":"ada@example.org"}"#).await.unwrap_err();
    let message = "`email` of `user` is unique, and `ada@example.org` is taken";
    assert_eq!(taken.to_string(), message);
    store.make_collection(&PLAIN).await.unwrap();
    assert_eq!(indexes(&place), ["mine"]);
}

#[tokio::test]
async fn a_value_that_is_there_twice_is_named() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&PLAIN).await.unwrap();
    for id in ["u1", "u2"] {
        insert_into_plain(&*store, id).await;
    }
    let taken = store.make_collection(&USERS).await.unwrap_err();
    assert_eq!(taken.to_string(), "`email` of `user` is unique, and `ada` is taken");
    assert_eq!(indexes(&place), [""; 0]);
}

async fn insert_into_plain(store: &dyn Backend, id: &str) {
    let json = r#"{"email":"ada"}"#.into();
    let change = Change::Insert(Body { schema: 1, time: Clock::system().now(), json });
    let change = DocumentChange { collection: &PLAIN, id: id.to_owned(), change };
    store.commit(Unit { documents: vec![change], ..Unit::default() }).await.unwrap();
}

#[tokio::test]
async fn a_table_that_was_dropped_is_made_again() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    place.raw().execute_batch("DROP TABLE users").unwrap();
    assert!(insert(&*store, "u1", "{}").await.is_err());
    store.make_collection(&USERS).await.unwrap();
    insert(&*store, "u1", "{}").await.unwrap();
    assert_eq!(indexes(&place).len(), 2);
}

#[tokio::test]
async fn one_document_that_sqlite_refuses_fails_alone() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.make_collection(&USERS).await.unwrap();
    let (bad, good) =
        tokio::join!(insert(&*store, "u1", "no json"), insert(&*store, "u2", r#"{"age":7}"#));
    let error = bad.unwrap_err();
    assert!(matches!(error, Error::Invalid { what: "document", .. }), "{error}");
    good.unwrap();
    let condition = Condition::Eq("age", 7.into());
    let query = Query { condition, order: Vec::new(), limit: 9, after: None };
    assert_eq!(store.find(&USERS, &query).await.unwrap().len(), 1);
}
