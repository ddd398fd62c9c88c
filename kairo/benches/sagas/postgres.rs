//! The same on PostgreSQL: four statements by hand, each on the saga's own connection, or in batches
//! of those that wait.

use std::{env, sync::Arc, time::Duration};

use kairo::{Kairo, Uuid, clock::Clock};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};
use tokio_postgres::{Client, NoTls};

use crate::{
    order, run_for, run_on,
    runner::{Promise, Runner, Stopwatch},
};

/// How long each side runs in a round.
const TIME: Duration = Duration::from_secs(2);

/// The most writes that wait for a lane, and that share a statement.
const WAITING_MAX: usize = 4_096;
const BATCH_MAX: usize = 256;

/// How many connections write batches.
const LANES: usize = 2;

const TABLE: &str = "CREATE TABLE saga (id uuid PRIMARY KEY, phase text NOT NULL, \
     step int4 NOT NULL, changed int8 NOT NULL, state text NOT NULL)";

/// Starts and goes on with many sagas; an empty list changes nothing.
const BATCH: &str = "WITH started AS (INSERT INTO saga \
     SELECT id, 'running', 0, changed, state \
     FROM unnest($1::uuid[], $2::int8[], $3::text[]) AS new (id, changed, state)) \
     UPDATE saga SET phase = CASE WHEN next.step = 3 THEN 'completed' ELSE 'running' END, \
         step = next.step, changed = next.changed, state = next.state \
     FROM unnest($4::uuid[], $5::int4[], $6::int8[], $7::text[]) \
         AS next (id, step, changed, state) \
     WHERE saga.id = next.id AND saga.step = next.step - 1";

/// How far a saga is.
struct Write {
    id: Uuid,
    step: i32,
    changed: i64,
    state: String,
}

type Waiting = (Write, oneshot::Sender<()>);

async fn connect(server: &str, schema: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(server, NoTls).await.expect("the server is there");
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = {schema}")).await.expect("it is a name");
    client
}

/// A new schema with the table by hand.
async fn schema(server: &str) -> (String, Client) {
    let schema = format!("b{}", Clock::system().new_id().simple());
    let client = connect(server, &schema).await;
    let make = format!("CREATE SCHEMA {schema}; {TABLE}");
    client.batch_execute(&make).await.expect("it can be made");
    (schema, client)
}

async fn drop_schema(client: &Client, schema: &str) {
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    client.batch_execute(&drop).await.expect("it can be dropped");
}

/// The four writes of a saga.
fn writes(number: u64) -> impl Iterator<Item = Write> {
    let clock = Clock::system();
    let id = clock.new_id();
    let mut outputs = vec![serde_json::to_value(order(number)).expect("it is plain data")];
    (0..=3).map(move |step| {
        let state = serde_json::to_string(&outputs).expect("it is plain data");
        outputs.push(number.into());
        Write { id, step, changed: clock.now().as_microsecond(), state }
    })
}

/// A statement for each write, on a connection for each that runs.
async fn singly(server: &str, many: u64, time: Duration) -> f64 {
    let (schema, client) = schema(server).await;
    let mut hands = Vec::new();
    for _ in 0..many {
        let client = connect(server, &schema).await;
        let start = "INSERT INTO saga VALUES ($1, 'running', $2, $3, $4)";
        let start = client.prepare(start).await.expect("the statement is right");
        let go_on = "UPDATE saga SET phase = CASE WHEN $2 = 3 THEN 'completed' ELSE 'running' END, \
             step = $2, changed = $3, state = $4 WHERE id = $1 AND step = $2 - 1";
        let go_on = client.prepare(go_on).await.expect("the statement is right");
        hands.push((client, start, go_on));
    }
    let hands = Arc::new(hands);
    let watch = Stopwatch::start();
    let run = move |number: u64| {
        let hands = Arc::clone(&hands);
        async move {
            let hand = usize::try_from(number % many).expect("there are few");
            let (client, start, go_on) = &hands[hand];
            for Write { id, step, changed, state } in writes(number) {
                let statement = if step == 0 { start } else { go_on };
                let written = client.execute(statement, &[&id, &step, &changed, &state]).await;
                assert_eq!(written.expect("the server takes it"), 1);
            }
        }
    };
    let rate = watch.per_second(run_for(many, time, run).await);
    drop_schema(&client, &schema).await;
    rate
}

/// A statement for all writes that wait.
async fn in_batches(server: &str, many: u64, time: Duration) -> f64 {
    let (schema, client) = schema(server).await;
    let (sender, receiver) = mpsc::channel::<Waiting>(WAITING_MAX);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    for _ in 0..LANES {
        let client = connect(server, &schema).await;
        tokio::spawn(lane(client, Arc::clone(&receiver)));
    }
    let watch = Stopwatch::start();
    let run = move |number| {
        let sender = sender.clone();
        async move {
            for write in writes(number) {
                let (reply, done) = oneshot::channel();
                sender.send((write, reply)).await.expect("a lane runs");
                done.await.expect("the lane replies");
            }
        }
    };
    let rate = watch.per_second(run_for(many, time, run).await);
    drop_schema(&client, &schema).await;
    rate
}

async fn lane(client: Client, receiver: Arc<tokio::sync::Mutex<mpsc::Receiver<Waiting>>>) {
    let statement = client.prepare(BATCH).await.expect("the statement is right");
    loop {
        let mut waiting = Vec::new();
        if receiver.lock().await.recv_many(&mut waiting, BATCH_MAX).await == 0 {
            return;
        }
        let (starts, others): (Vec<_>, Vec<_>) =
            waiting.iter().map(|(write, _)| write).partition(|write| write.step == 0);
        let ids = |writes: &[&Write]| writes.iter().map(|write| write.id).collect::<Vec<_>>();
        let times = |writes: &[&Write]| writes.iter().map(|it| it.changed).collect::<Vec<_>>();
        let states =
            |writes: &[&Write]| writes.iter().map(|it| it.state.clone()).collect::<Vec<_>>();
        let steps: Vec<i32> = others.iter().map(|write| write.step).collect();
        let written = client
            .execute(
                &statement,
                &[
                    &ids(&starts),
                    &times(&starts),
                    &states(&starts),
                    &ids(&others),
                    &steps,
                    &times(&others),
                    &states(&others),
                ],
            )
            .await;
        assert_eq!(written.expect("the server takes it"), others.len() as u64);
        for (_, reply) in waiting {
            reply.send(()).expect("the saga waits");
        }
    }
}

async fn kairo(server: &str, many: u64, time: Duration) -> f64 {
    let (schema, client) = schema(server).await;
    let mark = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{mark}schema={schema}");
    let bus = Kairo::builder().store(url).start().await.expect("the store opens");
    let rate = run_on(&bus, many, time).await;
    bus.shutdown().await.expect("the store closes");
    drop_schema(&client, &schema).await;
    rate
}

/// Compares where there is a server.
pub(crate) fn compare(runner: &Runner, runtime: &Runtime) {
    let Ok(server) = env::var("KAIRO_POSTGRES_URL") else {
        println!("  PostgreSQL: not measured, for `KAIRO_POSTGRES_URL` names no database");
        return;
    };
    let time = runner.time(TIME);
    runner.compare(
        "PostgreSQL, 1 in flight, against four commits by hand",
        "/s",
        Promise::From(0.8),
        || runtime.block_on(singly(&server, 1, time)),
        || runtime.block_on(kairo(&server, 1, time)),
    );
    runner.compare(
        "PostgreSQL, 64 in flight, against four commits by hand, in groups",
        "/s",
        Promise::From(0.8),
        || runtime.block_on(in_batches(&server, 64, time)),
        || runtime.block_on(kairo(&server, 64, time)),
    );
}
