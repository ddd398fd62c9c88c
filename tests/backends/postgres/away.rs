//! Connections that go away.

use std::{collections::HashSet, sync::Arc};

use kairo::{Version, delivery::Backend, store::Append, store::Unit};
use sqlx::AssertSqlSafe;

use super::{Place, append, event, log};

/// How many write at a time while connections are cut.
const WRITERS: usize = 8;

/// How many events each of them writes.
const ROUNDS: u64 = 40;

/// How often all connections are cut meanwhile.
const CUTS: usize = 10;

impl Place {
    /// Cuts all connections of this place's stores; how many there were.
    async fn cut(&self) -> usize {
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'",
            self.schema
        );
        sqlx::query(AssertSqlSafe(cut)).fetch_all(&mut self.raw().await).await.unwrap().len()
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_store_whose_connections_were_cut_goes_on() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    for version in 1..4 {
        assert!(0 < place.cut().await);
        store.commit(append("user-1", Version::At(version))).await.unwrap();
        assert!(0 < place.cut().await);
        assert_eq!(log(&*store).await.unwrap().len() as u64, version + 1);
    }
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn what_was_acknowledged_is_there_once_whatever_was_cut() {
    let place = Arc::new(Place::new());
    let store = place.store().await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(Arc::clone(&store), format!("user-{writer}"))))
        .collect();
    for _ in 0..CUTS {
        place.cut().await;
    }
    let (mut acknowledged, mut brought) = (HashSet::new(), HashSet::new());
    for writer in writers {
        let (all, accepted) = writer.await.unwrap();
        brought.extend(all);
        acknowledged.extend(accepted);
    }
    // Cuts that came too late for the writers may still meet the reader once.
    let ids = match log(&*store).await {
        Ok(ids) => ids,
        Err(_) => log(&*store).await.unwrap(),
    };
    let found: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(found.len(), ids.len(), "nothing is there twice");
    assert!(acknowledged.is_subset(&found) && found.is_subset(&brought));
    store.close().await.unwrap();
}

/// Writes to a stream; all ids that were brought, and those that were acknowledged.
async fn write(store: Arc<dyn Backend>, stream: String) -> (Vec<kairo::Uuid>, Vec<kairo::Uuid>) {
    let (mut brought, mut acknowledged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let event = event(&stream);
        brought.push(event.id);
        let unit = Unit::of_appends(vec![Append::one(event)]);
        if let Ok(committed) = store.commit(unit).await {
            acknowledged.push(committed.placed[0].id);
        }
    }
    (brought, acknowledged)
}
