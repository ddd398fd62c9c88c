//! A place for a store on the server, and what is put there.

use std::{env, sync::Arc};

use kairo::{
    EventName, StreamName, Uuid, Version, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    event::record::{EventData, Metadata},
    store::{Append, BoxFuture, Unit},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The variable that names a database that tests may fill.
const SERVER: &str = "KAIRO_POSTGRES_URL";

/// A schema of its own in the database.
pub(crate) struct Place {
    pub(crate) schema: String,
    /// What its URL says beside the schema.
    options: &'static str,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// A place whose URL says more.
    pub(crate) fn with(options: &'static str) -> Self {
        Self { schema: format!("t{}", Clock::system().new_id().simple()), options }
    }

    /// A place whose appends are locked.
    pub(crate) fn locked() -> Self {
        Self::with("&append=locked")
    }

    /// The same tables by another URL.
    pub(crate) fn again(&self, options: &'static str) -> Self {
        Self { schema: self.schema.clone(), options }
    }

    pub(crate) fn server() -> String {
        env::var(SERVER).expect("./test starts a server and names it")
    }

    /// The server's URL with another user.
    pub(crate) fn server_as(user: &str) -> String {
        let server = Self::server();
        let (_, place) = server.rsplit_once('@').expect("it names a user");
        format!("postgres://{user}@{place}")
    }

    pub(crate) fn url(&self) -> String {
        let Self { schema, options } = self;
        format!("{}?schema={schema}&application_name={schema}{options}", Self::server())
    }

    pub(crate) async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&self.url(), &Clock::system()).await
    }

    /// A connection as any other program has one, which finds the store's tables.
    pub(crate) async fn raw(&self) -> PgConnection {
        let mut raw = PgConnection::connect(&Self::server()).await.unwrap();
        run(&mut raw, &format!("SET search_path = {}", self.schema)).await;
        raw
    }
}

/// Runs statements.
pub(crate) async fn run(raw: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(raw).await.unwrap();
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true, shared: true, transactions: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

/// An event of a stream.
pub(crate) fn event(stream: &str) -> EventData {
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
pub(crate) fn append(stream: &str, expected: Version) -> Unit {
    Unit::of_appends(vec![Append { expected, ..Append::one(event(stream)) }])
}

/// All ids in the log, in order.
pub(crate) async fn log(store: &dyn Backend) -> kairo::Result<Vec<Uuid>> {
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
