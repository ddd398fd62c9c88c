//! The SQLite store: the laws of every back end, and its own promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod collections;
#[path = "../documents.rs"]
mod documents;
mod full;
#[path = "../model.rs"]
mod model;
#[path = "../sagas.rs"]
mod sagas;
mod ownership;
mod queue;
mod retention;
mod rows;
mod transactions;

use std::{path::PathBuf, sync::Arc, time::Duration};

use kairo::{
    EventName, StreamName, Uuid, Version, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    event::record::{EventData, Metadata},
    store::{Append, BoxFuture, Unit},
};
use proptest::prelude::*;
use tempfile::TempDir;

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file in a folder of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder can be made"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("shop.db")
    }

    async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&format!("sqlite://{}", self.path().display()), &Clock::system()).await
    }

    /// The store, without waiting for the disk.
    async fn relaxed(&self) -> kairo::Result<Arc<dyn Backend>> {
        let url = format!("sqlite://{}?synchronous=normal", self.path().display());
        backend::open(&url, &Clock::system()).await
    }

    /// The file, as any other program sees it.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).expect("the file can be opened")
    }
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true, shared: false, transactions: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

kairo::conformance!(laws, Place::new());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sqlite_does_what_memory_does(steps in model::steps()) {
        model::check("memory:", &Place::new(), steps)?;
    }

    #[test]
    fn sqlite_keeps_sagas_as_memory_does(steps in sagas::steps()) {
        let place = Place::new();
        sagas::run(async {
            let store = place.store().await.unwrap();
            sagas::check("memory:", &*store, steps).await
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sqlite_keeps_documents_as_memory_does(steps in documents::steps()) {
        let place = Place::new();
        sagas::run(async {
            let store = place.relaxed().await.unwrap();
            documents::check_steps("memory:", &*store, steps).await
        })?;
    }

    #[test]
    fn sqlite_finds_what_matches(
        documents in documents::of_all_kinds(),
        conditions in prop::collection::vec(documents::conditions(), 1..20),
    ) {
        let place = Place::new();
        sagas::run(async {
            let store = place.relaxed().await.unwrap();
            documents::check_conditions(&*store, documents, conditions).await
        })?;
    }

    #[test]
    fn sqlite_pages_in_order(
        documents in documents::in_order(),
        queries in prop::collection::vec(documents::queries(), 1..8),
    ) {
        let place = Place::new();
        sagas::run(async {
            let store = place.relaxed().await.unwrap();
            documents::check_pages(&*store, documents, queries).await
        })?;
    }
}

/// An event of a stream.
fn event(id: Uuid, stream: &str) -> EventData {
    EventData {
        id,
        derived: false,
        name: EventName::new("user.created").expect("the name is valid"),
        schema: 1,
        stream: StreamName::new(stream).expect("the name is valid"),
        time: Clock::system().now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: r#"{"name":"Ada"}"#.into(),
    }
}

/// A unit of one new event.
fn append(stream: &str, expected: Version) -> Unit {
    let event = event(Clock::system().new_id(), stream);
    Unit::of_appends(vec![Append { expected, ..Append::one(event) }])
}
