//! Transactions that hold up every reader of a server: so nothing else may run beside them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "each binary uses its part")]
mod place;

use std::time::Duration;

use kairo::{Position, Version, store::Selection};
use place::{Place, append, log, run};
use tokio::{sync::Mutex, time::timeout};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// One at a time.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn what_is_behind_an_open_transaction_is_read_when_that_ends() {
    let _turn = TURN.lock().await;
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
async fn a_transaction_that_holds_up_readers_is_shown_in_health() {
    let _turn = TURN.lock().await;
    let place = Place::new();
    let kairo = kairo::Kairo::builder().store(place.url()).start().await.unwrap();
    let store = place.store().await.unwrap();
    let mut raw = place.raw().await;
    run(&mut raw, "SET application_name = 'forgetful'; BEGIN; SELECT pg_current_xact_id()").await;
    store.commit(append("user-1", Version::Any)).await.unwrap();
    let shown = timeout(PATIENCE, async {
        loop {
            if let Some(shown) = kairo.health().await.unwrap().failing {
                return shown;
            }
        }
    });
    let shown = shown.await.expect("health shows it");
    assert!(
        shown.starts_with("events that nobody can read yet: 1,") && shown.contains("forgetful"),
        "{shown}"
    );
    run(&mut raw, "ROLLBACK").await;
    store.close().await.unwrap();
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn under_the_lock_an_open_transaction_holds_up_nobody() {
    let _turn = TURN.lock().await;
    let place = Place::locked();
    let store = place.store().await.unwrap();
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT pg_current_xact_id(); LOCK TABLE kairo_member").await;
    let first = store.commit(append("user-1", Version::Any)).await.unwrap().placed[0];
    let second = store.commit(append("user-1", Version::At(1))).await.unwrap().placed[0];
    let page = store.read_log(first.position, &Selection::All, 10).await.unwrap();
    assert_eq!((page.events.len(), page.end, page.complete), (1, second.position, true));
    assert_eq!(store.head().await.unwrap(), second.position);
    assert_eq!(store.count(Position::START, &Selection::All, 10).await.unwrap(), 2);
    run(&mut raw, "ROLLBACK").await;
    store.close().await.unwrap();
}
