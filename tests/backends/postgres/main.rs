//! The PostgreSQL store: the laws of every back end, and its own promises.
//!
//! Most of these tests need a server, which `./test` starts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod away;
mod deleting;
mod order;
mod refused;
mod shared;

use std::{env, sync::Arc, time::Duration};

use kairo::{
    EventName, StreamName, Uuid, Version, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    event::record::{EventData, Metadata},
    store::{Append, BoxFuture, Unit},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that names a database that tests may fill.
const SERVER: &str = "KAIRO_POSTGRES_URL";

/// A schema of its own in the database.
struct Place {
    schema: String,
}

impl Place {
    fn new() -> Self {
        Self { schema: format!("t{}", Clock::system().new_id().simple()) }
    }

    fn server() -> String {
        env::var(SERVER).expect("./test starts a server and names it")
    }

    /// The server's URL with another user.
    fn server_as(user: &str) -> String {
        let server = Self::server();
        let (_, place) = server.rsplit_once('@').expect("it names a user");
        format!("postgres://{user}@{place}")
    }

    fn url(&self) -> String {
        format!("{}?schema={}&application_name={}", Self::server(), self.schema, self.schema)
    }

    async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&self.url(), &Clock::system()).await
    }

    /// A connection as any other program has one, which finds the store's tables.
    async fn raw(&self) -> PgConnection {
        let mut raw = PgConnection::connect(&Self::server()).await.unwrap();
        run(&mut raw, &format!("SET search_path = {}", self.schema)).await;
        raw
    }
}

/// Runs statements.
async fn run(raw: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(raw).await.unwrap();
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true, shared: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

kairo::conformance!(
    laws,
    Place::new(),
    #[ignore = "needs PostgreSQL: run ./test"]
);

/// An event of a stream.
fn event(stream: &str) -> EventData {
    let id = Clock::system().new_id();
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
    Unit::of_appends(vec![Append { expected, ..Append::one(event(stream)) }])
}

/// All ids in the log, in order.
async fn log(store: &dyn Backend) -> kairo::Result<Vec<Uuid>> {
    let (mut ids, mut after) = (Vec::new(), kairo::Position::START);
    loop {
        let page = store.read_log(after, &kairo::store::Selection::All, 500).await?;
        ids.extend(page.events.iter().map(|event| event.event.id));
        after = page.end;
        if page.complete {
            return Ok(ids);
        }
    }
}
