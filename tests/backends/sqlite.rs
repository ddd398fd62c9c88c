//! The SQLite store: the laws of every back end, and its own promises.

use std::sync::Arc;

use kairo::{
    Error, EventName, Position, StreamName, Version, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    event::record::{EventData, Metadata},
    store::{Append, BoxFuture, Selection, Unit},
};
use tempfile::TempDir;

/// A file in a folder of its own.
struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder can be made"))
    }
}

impl Harness for Sqlite {
    fn features(&self) -> Features {
        Features { durable: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(open(&self.0))
    }
}

kairo::conformance!(laws, Sqlite::new());

fn event(stream: &str) -> EventData {
    let clock = Clock::system();
    let id = clock.new_id();
    EventData {
        id,
        derived: false,
        name: EventName::new("user.created").expect("the name is valid"),
        schema: 1,
        stream: StreamName::new(stream).expect("the name is valid"),
        time: clock.now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: r#"{"name":"Ada"}"#.into(),
    }
}

async fn open(folder: &TempDir) -> kairo::Result<Arc<dyn Backend>> {
    let url = format!("sqlite://{}/shop.db", folder.path().display());
    backend::open(&url, &Clock::system()).await
}

fn append(stream: &str, expected: Version) -> Unit {
    Unit::of_appends(vec![Append { expected, ..Append::one(event(stream)) }])
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    assert!(matches!(open(&folder).await, Err(Error::InUse { owner: Some(_), .. })));
    drop(store);
    let store = open(&folder).await.unwrap();
    store.commit(append("user-1", Version::At(1))).await.unwrap();
    let error = store.commit(append("user-1", Version::At(1))).await.unwrap_err();
    assert_eq!(error.to_string(), "stream `user-1` is at version 2, expected 1");
    store.close().await.unwrap();
    assert!(matches!(store.head().await, Err(Error::Closed)));
    let store = open(&folder).await.unwrap();
    let page = store.read_log(Position::START, &Selection::All, 10).await.unwrap();
    assert_eq!(page.events.len(), 2);
    assert!(page.complete);
    assert_eq!(&page.events[0].event.payload[..], br#"{"name":"Ada"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_publisher_gets_its_own_result() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    let publishers: Vec<_> = (0..64)
        .map(|publisher| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..20 {
                    let stream = format!("user-{publisher}");
                    store.commit(append(&stream, Version::At(round))).await.unwrap();
                    let error = store.commit(append(&stream, Version::NoStream)).await.unwrap_err();
                    assert!(matches!(error, Error::Conflict { actual, .. } if actual == round + 1));
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(64 * 20));
}
