//! Deleting streams and old events.

use kairo::{
    Error, Version,
    clock::Clock,
    delivery::{Backend, Claim},
    handler::entry::StartAt,
    store::{Removal, Selection, Snapshot, StreamRange, Unit},
};

use super::{Place, append, event, log};

fn removal(expected: Version, tombstone: bool) -> Unit {
    let stream = event("user-1").stream;
    Unit { removals: vec![Removal { stream, expected, tombstone }], ..Unit::default() }
}

fn snapshot(version: u64) -> Unit {
    let (stream, time) = (event("user-1").stream, Clock::system().now());
    let (name, payload) = ("balance".to_owned(), version.to_string().into());
    let snapshot = Snapshot { stream, name, version, schema: u64::MAX, time, payload };
    Unit { snapshots: vec![snapshot], ..Unit::default() }
}

/// The version of the snapshot that there is.
async fn snapped(store: &dyn Backend) -> Option<u64> {
    let kept = store.snapshot(&event("user-1").stream, "balance").await.unwrap();
    kept.map(|kept| kept.version)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn versions_go_on_behind_what_was_deleted() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    for version in 0..3 {
        store.commit(append("user-1", Version::At(version))).await.unwrap();
    }
    let head = store.head().await.unwrap();
    for version in [2, 3, 1] {
        store.commit(snapshot(version)).await.unwrap();
    }
    assert_eq!(snapped(&*store).await, Some(3));
    let refused = store.commit(removal(Version::At(2), false)).await;
    assert!(matches!(refused, Err(Error::Conflict { actual: 3, .. })), "{refused:?}");
    store.commit(removal(Version::At(3), false)).await.unwrap();
    assert!(log(&*store).await.unwrap().is_empty());
    assert_eq!((store.head().await.unwrap(), snapped(&*store).await), (head, None));
    store.commit(snapshot(3)).await.unwrap();
    assert_eq!(snapped(&*store).await, None, "its events are deleted");
    let stats = store.stream_stats(&event("user-1").stream).await.unwrap().unwrap();
    assert_eq!((stats.events, stats.version, stats.tombstone), (0, 3, false));

    for refused in [Version::Exists, Version::At(0)] {
        store.commit(append("user-1", refused)).await.unwrap_err();
    }
    let placed = store.commit(append("user-1", Version::NoStream)).await.unwrap().placed[0];
    assert!(placed.version == 4 && head < placed.position);
    let stats = store.stream_stats(&event("user-1").stream).await.unwrap().unwrap();
    assert_eq!((stats.events, stats.version), (1, 4));
    assert_eq!(stats.first, stats.last);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn nothing_gets_into_a_closed_stream_any_more() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    match store.commit(append("user-1", Version::Any)).await {
                        Ok(_) => {}
                        Err(Error::Tombstone { .. }) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    while store.stream_stats(&event("user-1").stream).await.unwrap().is_none() {}
    store.commit(removal(Version::Any, true)).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let stream = event("user-1").stream;
    assert!(store.read_stream(&stream, StreamRange::ALL, 10).await.unwrap().is_empty());
    assert!(store.stream_stats(&stream).await.unwrap().unwrap().tombstone);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn old_events_go_once_nobody_needs_them() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    for version in 0..4 {
        store.commit(append("user-1", Version::At(version))).await.unwrap();
    }
    let later = Clock::system().now();
    assert_eq!(store.prune(later, &Selection::Names(Vec::new()), 10).await.unwrap(), 0);
    assert_eq!(store.prune(later, &Selection::All, 1).await.unwrap(), 1);
    let claim = |start| Claim {
        subscription: "mail".to_owned(),
        start,
        renamed_from: None,
        partitions_max: 64,
    };
    let owner = Clock::system().new_id();
    store.claim(owner, vec![claim(StartAt::Beginning)]).await.unwrap();
    assert_eq!(store.prune(later, &Selection::All, 10).await.unwrap(), 0, "one has not read them");
    store.remove_subscription("mail".to_owned()).await.unwrap();
    store.claim(owner, vec![claim(StartAt::Now)]).await.unwrap();
    assert_eq!(store.prune(later, &Selection::All, 10).await.unwrap(), 3);
    assert!(log(&*store).await.unwrap().is_empty());
    let placed = store.commit(append("user-1", Version::At(4))).await.unwrap().placed[0];
    assert_eq!(placed.version, 5);
    store.close().await.unwrap();
}
