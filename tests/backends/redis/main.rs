//! The store in Redis: the laws of every back end, and its own promises.
//!
//! These tests need a server, which `./test` starts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod away;
mod bus;
mod documents;
#[path = "../model.rs"]
mod model;
#[path = "../sagas.rs"]
mod sagas;
mod proxy;
mod refused;
mod server;
mod sharing;

use std::{env, sync::Arc, time::Duration};

use kairo::{
    EventName, StreamName, Uuid, Version, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    event::record::{EventData, Metadata},
    store::{Append, BoxFuture, Unit},
};
use proptest::prelude::*;

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that names the server.
const SERVER: &str = "KAIRO_REDIS_URL";

/// A prefix of its own on the server.
struct Place {
    prefix: String,
}

impl Place {
    fn new() -> Self {
        Self { prefix: format!("test-{}", Clock::system().new_id().simple()) }
    }

    fn server() -> String {
        env::var(SERVER).expect("./test starts a server and names it")
    }

    fn url(&self) -> String {
        format!("{}?prefix={}", Self::server(), self.prefix)
    }

    /// The server's host and port.
    fn address() -> String {
        let server = Self::server();
        let place = server.trim_start_matches("redis://");
        place.split_once('/').map_or(place, |(address, _)| address).to_owned()
    }

    /// The same place by way of another address.
    fn url_at(&self, address: &str) -> String {
        self.url().replace(&Self::address(), address)
    }

    /// A key of the store.
    fn key(&self, room: &str) -> String {
        format!("{{{}}}:{room}", self.prefix)
    }

    /// Runs a command, as any other program can.
    async fn run(&self, command: &[&str]) -> redis::Value {
        run(&Self::server(), command).await
    }

    /// Removes the whole store.
    async fn remove(&self) {
        let keys = self.run(&["KEYS", &self.key("*")]).await;
        for key in redis::from_redis_value::<Vec<String>>(keys).unwrap() {
            self.run(&["DEL", &key]).await;
        }
    }

    async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&self.url(), &Clock::system()).await
    }
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true, shared: true, transactions: false }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

kairo::conformance!(laws, Place::new(), #[ignore = "needs Redis: run ./test"]);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    #[ignore = "needs Redis: run ./test"]
    fn redis_does_what_memory_does(steps in model::steps()) {
        model::check("memory:?shared=true", &Place::new(), steps)?;
    }

    #[test]
    #[ignore = "needs Redis: run ./test"]
    fn redis_keeps_sagas_as_memory_does(steps in sagas::steps()) {
        let place = Place::new();
        sagas::run(async {
            let store = place.store().await.unwrap();
            sagas::check("memory:?shared=true", &*store, steps).await
        })?;
    }
}

/// Runs a command on a server.
async fn run(server: &str, command: &[&str]) -> redis::Value {
    let client = redis::Client::open(server).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut given = redis::Cmd::new();
    given.arg(command).query_async(&mut connection).await.unwrap()
}

/// An event of a stream.
fn event(id: Uuid, stream: &str) -> EventData {
    EventData {
        id,
        derived: false,
        name: EventName::new("user.created").unwrap(),
        schema: 1,
        stream: StreamName::new(stream).unwrap(),
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
