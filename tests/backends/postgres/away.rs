//! Connections that go away.

use std::{collections::HashSet, sync::Arc};

use kairo::{
    Error, StreamName, Uuid, Version,
    delivery::Backend,
    journal::{SagaChange, SagaRow},
    store::{Append, StreamRange, Unit},
};
use sqlx::AssertSqlSafe;

use super::{Place, append, event, log, steps};

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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_step_that_was_cut_is_taken_once() {
    let place = Arc::new(Place::new());
    let store = place.store().await.unwrap();
    let carriers: Vec<_> = (0..WRITERS)
        .map(|key| tokio::spawn(carry_on(Arc::clone(&store), steps::saga(key))))
        .collect();
    for _ in 0..CUTS {
        place.cut().await;
    }
    for carrier in carriers {
        let stream = StreamName::new(carrier.await.unwrap()).unwrap();
        let read = || store.read_stream(&stream, StreamRange::ALL, 99);
        let events = match read().await {
            Ok(events) => events,
            Err(_) => read().await.unwrap(),
        };
        assert_eq!(events.len(), 4, "each step's events are there once");
    }
    store.close().await.unwrap();
}

/// Starts a saga and takes its steps, each of which is tried again only where the saga says that it
/// has not been taken; the stream of its events.
async fn carry_on(store: Arc<dyn Backend>, row: SagaRow) -> String {
    let (id, start) = (row.id, vec![SagaChange::Start(row.clone())]);
    take(&store, id, 1, Unit { sagas: start, ..Unit::default() }).await;
    for revision in 1..=steps::STEPS {
        take(&store, id, revision + 1, steps::step(&row, revision)).await;
    }
    format!("saga-{id}-0")
}

async fn take(store: &Arc<dyn Backend>, id: Uuid, revision: u64, unit: Unit) {
    loop {
        match store.commit(unit.clone()).await {
            Ok(_) => return,
            Err(Error::Store { .. }) => {}
            Err(error) => panic!("nobody else changes it: {error}"),
        }
        if let Ok(row) = store.saga(id).await
            && row.is_some_and(|row| row.revision == revision)
        {
            return;
        }
    }
}

/// Writes to a stream; all ids that were brought, and those that were acknowledged.
async fn write(store: Arc<dyn Backend>, stream: String) -> (Vec<Uuid>, Vec<Uuid>) {
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
