//! Servers, keys and URLs that are not for us.

use kairo::{Error, Version, backend, clock::Clock};

use super::{Place, append, server::Server};

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
    check(open("redis:").await, &["redis://user:password@localhost:6379/0"]);
    check(open("redis://u:secret@host:port/0").await, &["`redis://…@host:port/0` is not valid"]);
    check(open("redis://localhost/x").await, &["is not valid", "localhost:6379/0"]);
    check(open("redis://localhost?prefx=a").await, &["did you mean `prefix`?"]);
    check(open("redis://localhost?prefix={a}").await, &["`prefix` cannot be `{a}`", "1 to 64"]);
    check(open("redis://localhost?prefix=").await, &["`prefix` cannot be ``"]);
    check(open("redis://localhost?durability=relaxd").await, &["did you mean `relaxed`?"]);
    check(open("redis://localhost?partitions=65").await, &["`partitions` is `65`", "1 to 64"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    check(open("redis://u:secret@127.0.0.1:1/0").await, &["connecting to", "…@127.0.0.1:1"]);
    check(open("redis://no-such-host.invalid/0").await, &["connecting to", "no-such-host.invalid"]);
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_wrong_password_is_not_shown() {
    let place = Place::new();
    let url = place.url().replace("redis://", "redis://nobody:secret@");
    check(open(&url).await, &["connecting to the store `redis://…@"]);
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    place.store().await.unwrap().close().await.unwrap();
    place.run(&["HSET", &place.key("meta"), "schema", "99"]).await;
    let newer = place.store().await;
    assert!(matches!(newer, Err(Error::NewerSchema { found: 99, known: 1, .. })), "{newer:?}");
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn keys_of_something_else_are_left_alone() {
    let (single, hash, other) = (Place::new(), Place::new(), Place::new());
    single.run(&["SET", &single.key("meta"), "mine"]).await;
    check(single.store().await, &["is not Kairo's", "meta` is a string of something else"]);
    hash.run(&["HSET", &hash.key("meta"), "mine", "1"]).await;
    check(hash.store().await, &["meta` is a hash of something else"]);
    other.run(&["RPUSH", &other.key("log"), "mine"]).await;
    check(other.store().await, &["log` is a list of something else"]);
}

/// Nothing of a unit is written beside it.
#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_foreign_key_among_the_store_s_own_stops_a_commit_before_it_writes() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    for foreign in ["stream:user-1", "name:user.created"] {
        place.run(&["SET", &place.key(foreign), "mine"]).await;
        let refused = store.commit(append("user-1", Version::Any)).await;
        check(refused, &["writing to", "WRONGTYPE"]);
        assert_eq!(store.head().await.unwrap().sequence, 0);
        place.run(&["DEL", &place.key(foreign)]).await;
    }
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
}

/// A new one must not begin under those who know the positions of the old one.
#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_store_that_is_removed_under_us_is_not_made_again() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    place.remove().await;
    check(store.commit(append("user-1", Version::Any)).await, &["it has been removed"]);
    let another = place.store().await.unwrap();
    check(store.head().await, &["it has been removed"]);
    assert_eq!(another.head().await.unwrap().sequence, 0);
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_user_who_may_not_do_everything_learns_it_at_once() {
    let place = Place::new();
    let user = format!("kairo-{}", place.prefix);
    let keys = format!("~{{{}}}:*", place.prefix);
    let channels = format!("&{{{}}}:*", place.prefix);
    let everything = ["ACL", "SETUSER", &user, "on", ">word", &keys, &channels, "+@all"];
    place.run(&everything).await;
    let url = place.url().replace("redis://", &format!("redis://{user}:word@"));
    open(&url).await.unwrap().close().await.unwrap();

    for (forbidden, expected) in [
        ("rpush", "the server refuses `RPUSH`"),
        ("xadd", "the server refuses `XADD`"),
        ("evalsha", "'evalsha'"),
        ("publish", "'publish'"),
        ("config", "allow the user `CONFIG GET`, or write `durability=relaxed`"),
    ] {
        place.run(&["ACL", "SETUSER", &user, &format!("-{forbidden}")]).await;
        check(open(&url).await, &[expected]);
        place.run(&["ACL", "SETUSER", &user, &format!("+{forbidden}")]).await;
    }
    place.run(&["ACL", "SETUSER", &user, "resetkeys", "~other:*"]).await;
    check(open(&url).await, &["opening", "permission"]);
    place.run(&["ACL", "DELUSER", &user]).await;
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
    let server = Server::start(&["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]).await;
    let wrong = [
        "`appendonly` is `no` and must be `yes`",
        "`appendfsync` is `everysec` and must be `always`",
        "`maxmemory-policy` is `allkeys-lru` and must be `noeviction`",
        "`durability=relaxed`",
    ];
    check(open(&server.url()).await, &wrong);
    let relaxed = open(&format!("{}?durability=relaxed", server.url())).await.unwrap();
    relaxed.commit(append("user-1", Version::NoStream)).await.unwrap();
    assert!(relaxed.url().contains("durability=relaxed"), "{}", relaxed.url());
}

/// And goes on where there is room again.
#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_full_server_says_so() {
    let server = Server::start(&super::server::DURABLE).await;
    let store = open(&server.url()).await.unwrap();
    server.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = store.commit(append("user-1", Version::NoStream)).await;
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    server.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
}
