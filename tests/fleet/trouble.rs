//! Servers that are away, full or closed to writers, and what a bus says of them.

use std::time::Duration;

use kairo::{Error, EventStore, prelude::*};
use kairo_tests::support::{Book, Folder};
use sqlx::{Connection, PgConnection};

use crate::{
    audit::audit,
    server::{End, Kind, Server},
    until,
    worker::{Tick, bus},
};

/// How long a caller may wait to be told that a server is away.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What must come within a bounded time.
async fn told<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, answer).await.expect("an answer comes in time")
}

/// An error must say this.
#[track_caller]
fn check<T: std::fmt::Debug>(failed: kairo::Result<T>, expected: &[&str]) {
    let error = failed.unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("secret"), "{error}");
}

async fn append(store: &EventStore) -> kairo::Result<()> {
    let tick = [Tick { key: 1, waits: false }];
    store.append("tick-1", Version::Any, tick).await.map(drop)
}

/// Publishes, and writes down what was accepted.
async fn publish(kairo: &Kairo, folder: &Folder) -> kairo::Result<()> {
    let published = kairo.publish(Tick { key: 1, waits: false }).await?;
    let acks = Book::open(&folder.file("acks"));
    published.ids().iter().for_each(|id| acks.note(&id.to_string()));
    Ok(())
}

async fn away_at_start(kind: Kind) {
    let mut server = Server::start(kind, &[]).await;
    server.end(End::Fast);
    let folder = Folder::new();
    let started = told(bus(&server.url(), folder.path()).start()).await;
    check(started.map(drop), &["connecting to", &server.address()]);
    server.start_again().await;
    let kairo = bus(&server.url(), folder.path()).start().await.unwrap();
    publish(&kairo, &folder).await.unwrap();
    kairo.shutdown().await.unwrap();
}

async fn away_for_a_while(kind: Kind) {
    let mut server = Server::start(kind, &[]).await;
    let folder = Folder::new();
    let kairo = bus(&server.url(), folder.path()).start().await.unwrap();
    for _ in 0..10 {
        publish(&kairo, &folder).await.unwrap();
    }
    server.end(End::Crash);
    check(told(publish(&kairo, &folder)).await, &[&server.address()]);
    server.start_again().await;
    until(async || publish(&kairo, &folder).await.is_ok()).await;
    println!("{kind:?}: {}", audit(&folder, &server.url()).await);
    kairo.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_postgres_that_is_away_at_the_start_is_named() {
    away_at_start(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn a_redis_that_is_away_at_the_start_is_named() {
    away_at_start(Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_bus_survives_that_postgres_is_away_for_a_while() {
    away_for_a_while(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn a_bus_survives_that_redis_is_away_for_a_while() {
    away_for_a_while(Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_server_that_takes_no_writes_for_a_while_loses_nothing() {
    let server = Server::start(Kind::Postgres, &[]).await;
    let folder = Folder::new();
    let kairo = bus(&server.url(), folder.path()).start().await.unwrap();
    publish(&kairo, &folder).await.unwrap();
    let read_only = async |on: &str| {
        server.run(&format!("ALTER SYSTEM SET default_transaction_read_only = {on}")).await;
        server.run("SELECT pg_reload_conf()").await;
    };
    read_only("on").await;
    let refused = async || publish(&kairo, &folder).await.err();
    until(async || refused().await.is_some_and(|error| error.to_string().contains("read-only")))
        .await;
    read_only("off").await;
    until(async || publish(&kairo, &folder).await.is_ok()).await;
    println!("read-only: {}", audit(&folder, &server.url()).await);
    kairo.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_pool_of_one_serves_everybody_in_turn() {
    let server = Server::start(Kind::Postgres, &[]).await;
    let store = EventStore::open(&format!("{}?pool=1", server.url())).await.unwrap();
    let callers: Vec<_> = (0..40)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                append(&store).await?;
                store.stats("tick-1").await
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(store.stats("tick-1").await.unwrap().events, 40);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_server_that_has_no_connection_left_says_so() {
    let server = Server::start(Kind::Postgres, &["-c", "max_connections=15"]).await;
    let store = EventStore::open(&server.url()).await.unwrap();
    let mut others = Vec::new();
    while let Ok(connection) = PgConnection::connect(&server.url()).await {
        others.push(connection);
    }
    check(told(append(&store)).await, &["too many clients", &server.address()]);
    drop(others);
    until(async || append(&store).await.is_ok()).await;
    assert_eq!(store.stats("tick-1").await.unwrap().events, 1);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_wrong_password_is_told_and_not_repeated() {
    let server = Server::start(Kind::Postgres, &[]).await;
    server.run("CREATE ROLE ada LOGIN PASSWORD 'right'").await;
    server.ask_for_passwords().await;
    let url = server.url_as("ada:secret");
    check(
        told(EventStore::open(&url)).await,
        &["connecting to", "password authentication failed", &server.address()],
    );
    let opened = told(EventStore::open(&server.url_as("ada:right"))).await;
    check(opened, &["permission denied"]);
    let nobody = told(EventStore::open(&server.url_as("nobody:secret"))).await;
    assert!(matches!(nobody, Err(Error::Store { .. })), "{nobody:?}");
}
