//! Durable publishes on a PostgreSQL server, which `KAIRO_POSTGRES_URL` names: against statements
//! by hand.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "deposits.rs"]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "runner.rs"]
mod runner;

use std::{env, sync::Arc, time::Duration};

use deposits::{Deposited, Deposits, publish_on};
use kairo::{
    Kairo, Uuid, backend,
    clock::Clock,
    event::record::{Draft, EventData, Metadata},
    store::{Append, Unit, Version},
};
use runner::{Promise, Runner, Stopwatch};
use tokio::{runtime, task::JoinSet};
use tokio_postgres::{Client, NoTls, Statement, types::Json};

/// How long each side runs in a round, and before it.
const TIME: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(300);

/// How many publishers append 10 events at a time.
const PUBLISHERS_OF_TEN: u64 = 8;

const SCHEMA: &str = "CREATE TABLE events (pos bigserial NOT NULL, stream uuid NOT NULL, \
     version int8 NOT NULL, type text NOT NULL, payload jsonb NOT NULL, \
     at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (stream, version)); \
     CREATE UNIQUE INDEX ON events (pos);";

/// A connection of one publisher by hand, with its statements.
struct ByHand {
    client: Client,
    one: Statement,
    many: Statement,
}

impl ByHand {
    async fn open(schema: &str) -> Self {
        let (client, connection) =
            tokio_postgres::connect(&server(), NoTls).await.expect("the server is there");
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {schema}")).await.expect("it is there");
        let one = "INSERT INTO events (stream, version, type, payload) VALUES ($1, $2, $3, $4)";
        let many = "INSERT INTO events (stream, version, type, payload) \
             SELECT $1, v, t, p::jsonb FROM unnest($2::int8[], $3::text[], $4::text[]) AS x (v, t, p)";
        let one = client.prepare(one).await.expect("the statement is right");
        let many = client.prepare(many).await.expect("the statement is right");
        Self { client, one, many }
    }

    async fn append(&self, event: &Deposited, version: u64) {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&event.account, &version.cast_signed(), &"account.deposited", &Json(event)];
        self.client.execute(&self.one, &values).await.expect("no conflict");
    }

    async fn append_all(&self, stream: Uuid, events: &[Deposited]) {
        let payload = |event| serde_json::to_string(event).expect("it is plain data");
        let payloads: Vec<String> = events.iter().map(payload).collect();
        let versions: Vec<i64> = (1..).take(events.len()).collect();
        let types = vec!["account.deposited"; events.len()];
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&stream, &versions, &types, &payloads];
        self.client.execute(&self.many, &values).await.expect("no conflict");
    }
}

fn server() -> String {
    env::var("KAIRO_POSTGRES_URL").expect("`KAIRO_POSTGRES_URL` names a database to fill")
}

/// A new schema.
async fn schema(tables: &str) -> (String, Client) {
    let schema = format!("b{}", Clock::system().new_id().simple());
    let (client, connection) =
        tokio_postgres::connect(&server(), NoTls).await.expect("the server is there");
    tokio::spawn(connection);
    let make = format!("CHECKPOINT; CREATE SCHEMA {schema}; SET search_path = {schema}; {tables}");
    for statement in make.split_inclusive("; ") {
        client.batch_execute(statement).await.expect("it can be made");
    }
    (schema, client)
}

async fn drop_schema(schema: &str, client: &Client) {
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    client.batch_execute(&drop).await.expect("it can be dropped");
}

async fn by_hand(publishers: u64, time: Duration) -> f64 {
    let (schema, client) = schema(SCHEMA).await;
    let mut hands = Vec::new();
    for _ in 0..publishers {
        hands.push(Arc::new(ByHand::open(&schema).await));
    }
    let mut rate = 0.0;
    for time in [WARM_UP, time] {
        let watch = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for hand in &hands {
            let hand = Arc::clone(hand);
            tasks.spawn(async move {
                let publish = |event, version| {
                    let hand = Arc::clone(&hand);
                    async move { hand.append(&event, version).await }
                };
                publish_here(time, publish).await
            });
        }
        rate = watch.per_second(tasks.join_all().await.into_iter().sum());
    }
    drop_schema(&schema, &client).await;
    rate
}

async fn publish_here<F: Future<Output = ()>>(
    time: Duration,
    publish: impl Fn(Deposited, u64) -> F,
) -> u64 {
    let (watch, mut deposits, mut count) = (Stopwatch::start(), Deposits::new(), 0);
    while watch.elapsed() < time {
        let (event, version) = deposits.next();
        publish(event, version).await;
        count += 1;
    }
    count
}

async fn kairo(publishers: u64, time: Duration) -> f64 {
    let (schema, client) = schema("").await;
    let url = format!("{}?schema={schema}", server());
    let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
    publish_on(&kairo, publishers, WARM_UP).await;
    let watch = Stopwatch::start();
    let rate = watch.per_second(publish_on(&kairo, publishers, time).await);
    kairo.shutdown().await.expect("the store closes");
    drop_schema(&schema, &client).await;
    rate
}

/// Events of one new stream.
fn deposits(count: u64) -> (Uuid, Vec<Deposited>) {
    let (account, mut deposits) = (Clock::system().new_id(), Deposits::new());
    let event = |_| Deposited { account, ..deposits.next().0 };
    (account, (0..count).map(event).collect())
}

async fn many_by_hand(publishers: u64, each: u64, time: Duration) -> f64 {
    let (schema, client) = schema(SCHEMA).await;
    let mut tasks = JoinSet::new();
    let mut hands = Vec::new();
    for _ in 0..publishers {
        hands.push(ByHand::open(&schema).await);
    }
    let watch = Stopwatch::start();
    for hand in hands {
        tasks.spawn(async move {
            let mut count = 0;
            while watch.elapsed() < time {
                let (stream, events) = deposits(each);
                hand.append_all(stream, &events).await;
                count += each;
            }
            count
        });
    }
    let rate = watch.per_second(tasks.join_all().await.into_iter().sum());
    drop_schema(&schema, &client).await;
    rate
}

async fn many(publishers: u64, each: u64, time: Duration) -> f64 {
    let (schema, client) = schema("").await;
    let url = format!("{}?schema={schema}", server());
    let store = backend::open(&url, &Clock::system()).await.expect("the store opens");
    let mut rate = 0.0;
    for time in [WARM_UP, time] {
        let watch = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for _ in 0..publishers {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let mut count = 0;
                while watch.elapsed() < time {
                    let events: Vec<_> = deposits(each).1.iter().map(event_data).collect();
                    let stream = events[0].stream.clone();
                    let append = Append { stream, expected: Version::NoStream, events };
                    let unit = Unit::of_appends(vec![append]);
                    store.commit(unit).await.expect("no conflict");
                    count += each;
                }
                count
            });
        }
        rate = watch.per_second(tasks.join_all().await.into_iter().sum());
    }
    store.close().await.expect("the store closes");
    drop_schema(&schema, &client).await;
    rate
}

fn event_data(event: &Deposited) -> EventData {
    let (clock, draft) = (Clock::system(), Draft::encode(event).expect("it is plain data"));
    let id = clock.new_id();
    EventData {
        id,
        derived: false,
        name: draft.name,
        schema: draft.schema,
        stream: draft.stream.expect("it has a key"),
        time: clock.now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: draft.payload,
    }
}

fn main() {
    let runner = Runner::new("publish: durable on PostgreSQL, publishes per second");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let time = runner.time(TIME);
    // 256 publishers are compared with what 64 of them do by hand, each with its connection.
    for (publishers, by_hands, promise) in [(1, 1, 0.8), (8, 8, 0.8), (64, 64, 1.2), (256, 64, 2.2)]
    {
        runner.compare(
            &format!("{publishers} publishers against {by_hands} with a statement each"),
            "/s",
            Promise::From(promise),
            || runtime.block_on(by_hand(by_hands, time)),
            || runtime.block_on(kairo(publishers, time)),
        );
    }
    for (publishers, each, promise) in [(PUBLISHERS_OF_TEN, 10, 0.85), (1, 1_000, 0.8)] {
        runner.compare(
            &format!("{each} events an append, {publishers} at a time, against one statement"),
            " events/s",
            Promise::From(promise),
            || runtime.block_on(many_by_hand(publishers, each, time)),
            || runtime.block_on(many(publishers, each, time)),
        );
    }
}
