//! A PostgreSQL server, which `KAIRO_POSTGRES_URL` names: durable publishes and catching up against
//! statements by hand, and how soon another process handles what was published.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "deposits.rs"]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "runner.rs"]
mod runner;

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use deposits::{Deposited, Deposits, catch_up, fill, publish_on};
use futures_util::TryStreamExt;
use kairo::{
    Envelope, Kairo, Uuid, backend,
    clock::Clock,
    event::record::{Draft, EventData, Metadata},
    store::{Append, Unit, Version},
};
use runner::{Promise, Runner, Stopwatch, median, state};
use tokio::{runtime, sync::Notify, task::JoinSet};
use tokio_postgres::{Client, NoTls, Statement, types::Json};

/// How long each side runs in a round, and before it.
const TIME: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(300);

/// How many publishers append 10 events at a time.
const PUBLISHERS_OF_TEN: u64 = 8;

/// How long the log is that a subscription reads from its beginning.
const LOG: u64 = 200_000;

/// How many events the other process waits for.
const WAITS: u64 = 1_000;

/// How the bench calls itself to handle in another process what this one publishes.
const CHILD: &str = "--handles-of";

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

/// Reads and decodes the whole log of a store in one statement; events per second.
async fn read_by_hand(schema: &str, client: &Client, events: u64) -> f64 {
    let watch = Stopwatch::start();
    let select =
        format!("SELECT payload FROM {schema}.kairo_event ORDER BY epoch, order_id, sequence");
    let none: [i64; 0] = [];
    let rows = client.query_raw(&select, none).await.expect("the log can be read");
    let read = rows.try_fold(0, async |count, row| {
        let event: Deposited =
            serde_json::from_slice(row.get(0)).expect("it was written as the same type");
        Ok(count + u64::from(event.amount == 1_250))
    });
    assert_eq!(read.await.expect("the log can be read"), events);
    watch.per_second(events)
}

async fn caught_up(url: &str, events: u64) -> f64 {
    let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
    let watch = Stopwatch::start();
    let name = format!("reader-{}", Clock::system().new_id().simple());
    catch_up(&kairo, name, events).await;
    let rate = watch.per_second(events);
    kairo.shutdown().await.expect("the store closes");
    rate
}

/// The median time from a publish here until a handler in another process has the event, in
/// milliseconds.
async fn handled_elsewhere(events: u64) -> f64 {
    let (schema, client) = schema("").await;
    let url = format!("{}?schema={schema}", server());
    let kairo = Kairo::builder().store(&url).start().await.expect("the store opens");
    let program = env::current_exe().expect("the bench has a file");
    let mut child = Command::new(program);
    child.args([CHILD, &url, &events.to_string()]).stdout(Stdio::piped());
    let mut child = child.spawn().expect("the bench can start itself");
    let mut deposits = Deposits::new();
    while child.try_wait().expect("the child can be asked").is_none() {
        let _ = kairo.publish(deposits.next().0).await.expect("the store takes it");
    }
    let output = child.wait_with_output().expect("the child has ended");
    kairo.shutdown().await.expect("the store closes");
    drop_schema(&schema, &client).await;
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child tells its median")
}

/// Handles so many events, and prints the median time that they took to get here.
async fn child_of(url: &str, events: usize) {
    let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
    let (times, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let (noted, end) = (Arc::clone(&times), Arc::clone(&done));
    let handle = move |event: Envelope<Deposited>| {
        let time = Clock::system().now().duration_since(event.time()).as_secs_f64() * 1e3;
        let mut times = noted.lock().expect("nobody panics");
        times.push(time);
        if times.len() == events {
            end.notify_one();
        }
        async {}
    };
    kairo.subscribe::<Deposited>("elsewhere").handle(handle).await.expect("the name is free");
    done.notified().await;
    kairo.shutdown().await.expect("the store closes");
    println!("{}", median(&mut times.lock().expect("nobody panics")));
}

fn main() {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<_> = env::args().collect();
    if let Some(child) = arguments.iter().position(|argument| argument == CHILD) {
        let events = arguments[child + 2].parse().expect("a number of events");
        return runtime.block_on(child_of(&arguments[child + 1], events));
    }
    let runner = Runner::new("postgres: durable publishes, catching up, and other processes");
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
    state(
        "median, from publish to handled in another process",
        "ms",
        10.0,
        runtime.block_on(handled_elsewhere(runner.work(WAITS))),
    );
    let events = runner.work(LOG);
    let (schema, client) = runtime.block_on(schema(""));
    let url = format!("{}?schema={schema}", server());
    runtime.block_on(fill(&url, events));
    runner.compare(
        &format!("catching up on {events} events, against reading and decoding by hand"),
        "/s",
        Promise::From(0.5),
        || runtime.block_on(read_by_hand(&schema, &client, events)),
        || runtime.block_on(caught_up(&url, events)),
    );
    runtime.block_on(drop_schema(&schema, &client));
}
