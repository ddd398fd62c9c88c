//! Servers, databases and URLs that are not for us.

use kairo::{Error, Version, backend, clock::Clock};

use super::{Place, append, run};

/// Opening a store must fail with an error that says this.
#[track_caller]
fn check(opened: kairo::Result<impl std::fmt::Debug>, expected: &[&str]) {
    let error = opened.unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("secret"), "{error}");
}

async fn open(url: &str) -> kairo::Result<std::sync::Arc<dyn kairo::delivery::Backend>> {
    backend::open(url, &Clock::system()).await
}

#[tokio::test]
async fn a_url_that_is_none_says_what_is() {
    check(open("postgres://u:secret@host:port/x").await, &["postgres://user:password@host:5432"]);
    check(open("postgres://h/x?shema=a").await, &["did you mean `schema`?"]);
    check(open("postgres://h/x?table=A").await, &["`table` is `A`", "1 to 48"]);
    check(open("postgres://h/x?schema=a.b").await, &["`schema` is `a.b`"]);
    check(open("postgres://h/x?pool=many").await, &["`pool` is `many`", "1 to 1000"]);
    check(open("postgres://h/x?append=loked").await, &["`append` is `loked`", "`locked`?"]);
    check(open("postgres://h/x?partitions=0").await, &["`partitions` is `0`", "1 to 64"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    check(open("postgres://u:secret@127.0.0.1:1/x").await, &["connecting to", "…@127.0.0.1:1/x"]);
    check(
        open("postgresql://u:secret@no-such-host.invalid/x").await,
        &["connecting to", "no-such-host.invalid"],
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_database_that_is_not_there_is_named() {
    let (server, _) =
        Place::server().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    check(open(&format!("{server}/nowhere")).await, &["\"nowhere\" does not exist"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    place.store().await.unwrap().close().await.unwrap();
    run(&mut place.raw().await, "INSERT INTO kairo_schema VALUES (99)").await;
    let newer = place.store().await;
    assert!(matches!(newer, Err(Error::NewerSchema { found: 99, known: 5, .. })), "{newer:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn tables_of_something_else_are_left_alone() {
    for table in ["kairo_event (x text)", "kairo_schema (x text)", "kairo_store (x text)"] {
        let place = Place::new();
        let mut raw = place.raw().await;
        let schema = &place.schema;
        run(&mut raw, &format!("CREATE SCHEMA {schema}; CREATE TABLE {table}")).await;
        let opened = place.store().await;
        assert!(matches!(opened, Err(Error::Foreign { .. })), "{opened:?}");
        check(opened, &["that is not Kairo's", schema]);
        let (name, _) = table.split_once(' ').unwrap();
        run(&mut raw, &format!("INSERT INTO {name} VALUES ('mine')")).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_store_has_one_table_for_its_events() {
    let place = Place::new();
    let url = format!("{}&table=event_store", place.url());
    let store = open(&url).await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    run(&mut place.raw().await, "SELECT payload FROM event_store").await;
    check(place.store().await, &["keeps its events in `event_store`, not in `kairo_event`"]);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_role_without_rights_is_told_what_it_may_not() {
    let place = Place::new();
    let role = format!("r{}", place.schema);
    run(&mut place.raw().await, &format!("CREATE ROLE {role} LOGIN")).await;
    let url = format!("{}?schema={}", Place::server_as(&role), place.schema);
    check(open(&url).await, &["migrating", "permission denied"]);
    run(&mut place.raw().await, &format!("DROP ROLE {role}")).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_server_that_takes_no_writes_says_so() {
    let place = Place::new();
    place.store().await.unwrap().close().await.unwrap();
    let role = format!("r{}", place.schema);
    let make = format!(
        "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET default_transaction_read_only = on"
    );
    run(&mut place.raw().await, &make).await;
    let url = format!("{}?schema={}", Place::server_as(&role), place.schema);
    let store = open(&url).await.unwrap();
    check(store.commit(append("user-1", Version::Any)).await, &["writing to", "read-only"]);
    assert_eq!(store.head().await.unwrap(), kairo::Position::START);
    store.close().await.unwrap();
    run(&mut place.raw().await, &format!("DROP ROLE {role}")).await;
}
