//! A reader beside all kinds of writers sees every event once, in the order of the log.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kairo::{
    EventStore, Position, Uuid, Version, backend, clock::Clock, delivery::Backend,
    event::record::Recorded, store::Selection,
};
use kairo_tests::support::Dice;
use sqlx::{Connection, PgConnection, Row};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    PATIENCE,
    server::{Kind, Server},
    stretch,
    worker::Tick,
};

/// How many stores write, each as a process of its own would.
const STORES: usize = 4;

/// How many writers each of them has.
const WRITERS: usize = 3;

/// How many transactions of other programs write beside them.
const RAW_WRITERS: usize = 8;

/// How many streams there are, for all of them.
const STREAMS: u64 = 12;

/// Appends behind the last event of a stream, as a unit does it in a transaction.
const INSERT: &str = "INSERT INTO kairo_event (epoch, order_id, version, id, time, correlation, \
     schema, depth, derived, name, stream, payload) \
     SELECT l.epoch, greatest(l.order_id, pg_current_xact_id()::text::bigint), l.version + 1, $2, \
     0, $2, 1, 0, false, 'fleet.ticked', l.stream, '{\"key\":1,\"waits\":false}' \
     FROM kairo_event AS l WHERE l.stream = $1 ORDER BY l.version DESC LIMIT 1";

/// Waits for its turn, as all do who append where appends are locked.
const TURN: &str = "LOCK TABLE kairo_event IN ROW EXCLUSIVE MODE; \
     SELECT pg_advisory_xact_lock(hashtextextended('kairo append', tableoid::bigint)) \
     FROM kairo_store";

/// The same as [`INSERT`] under that lock.
const INSERT_LOCKED: &str = "INSERT INTO kairo_event (epoch, order_id, version, id, time, \
     correlation, schema, depth, derived, name, stream, payload) SELECT l.epoch, 1, l.version + 1, \
     $2, 0, $2, 1, 0, false, 'fleet.ticked', l.stream, '{\"key\":1,\"waits\":false}' \
     FROM kairo_event AS l WHERE l.stream = $1 ORDER BY l.version DESC LIMIT 1";

/// Cuts one connection of the store or of another writer.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
     WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' \
     ORDER BY random() LIMIT 1) AS one";

/// What a writer has brought, and what of it was acknowledged.
#[derive(Debug, Default)]
struct Written {
    brought: Vec<Uuid>,
    acknowledged: Vec<Uuid>,
    refused: usize,
}

fn stream(dice: &mut Dice) -> String {
    format!("shared-{}", dice.between(0, STREAMS))
}

async fn pause(dice: &mut Dice, high: u64) {
    Clock::system().sleep(Duration::from_millis(dice.between(0, high))).await;
}

/// What all who take part share.
#[derive(Debug, Clone, Default)]
struct Over(Arc<AtomicBool>);

impl Over {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn say(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Appends by the store.
async fn write(store: EventStore, over: Over, mut dice: Dice) -> Written {
    let mut written = Written::default();
    while !over.is_so() {
        let ticks = (0..dice.between(1, 4)).map(|key| Tick { key, waits: false });
        match store.append(stream(&mut dice), Version::Any, ticks).await {
            Ok(placed) => written.acknowledged.extend(placed.iter().map(|placed| placed.id)),
            Err(_) => written.refused += 1,
        }
        pause(&mut dice, 20).await;
    }
    written
}

/// Appends in transactions of its own, whose ids it takes long before.
async fn write_raw(url: String, locked: bool, over: Over, mut dice: Dice) -> Written {
    let mut written = Written::default();
    while !over.is_so() {
        let id = Clock::system().new_id();
        written.brought.push(id);
        match transact(&url, locked, id, &mut dice).await {
            Ok(true) => written.acknowledged.push(id),
            _ => written.refused += 1,
        }
    }
    written
}

/// One transaction; whether it was committed, and neither rolled back nor left to itself.
async fn transact(url: &str, locked: bool, id: Uuid, dice: &mut Dice) -> sqlx::Result<bool> {
    let mut connection = PgConnection::connect(url).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_current_xact_id()::text").execute(&mut *transaction).await?;
    pause(dice, 150).await;
    let insert = if locked { INSERT_LOCKED } else { INSERT };
    if locked {
        sqlx::raw_sql(TURN).execute(&mut *transaction).await?;
    }
    sqlx::query(insert).bind(stream(dice)).bind(id).execute(&mut *transaction).await?;
    pause(dice, 50).await;
    match dice.between(0, 10) {
        0..2 => transaction.rollback().await?,
        2 => drop(transaction),
        _ => {
            transaction.commit().await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads pages as they come, until the end that the log has when everybody has finished.
async fn follow(store: Arc<dyn Backend>, over: Over) -> Vec<Arc<Recorded>> {
    let (mut read, mut after) = (Vec::new(), Position::START);
    loop {
        let is_last = over.is_so();
        let Ok(page) = store.read_log(after, &Selection::All, 7).await else { continue };
        assert!(after <= page.end);
        read.extend(page.events.into_iter().map(Arc::new));
        after = page.end;
        if is_last && page.complete {
            return read;
        }
        if page.complete {
            pause(&mut Dice::of(0), 5).await;
        }
    }
}

/// Everything that was read lies in the order of the log, and nothing was read twice or left out.
fn assert_read(read: &[Arc<Recorded>], log: &[Uuid], written: &[Written]) {
    let ids: Vec<Uuid> = read.iter().map(|event| event.event.id).collect();
    let known: HashSet<Uuid> = ids.iter().copied().collect();
    assert_eq!(known.len(), ids.len(), "nothing is read twice");
    assert!(read.is_sorted_by(|one, other| one.position < other.position));
    assert!(ids == log, "{} events were read, {} are there", ids.len(), log.len());
    for writer in written {
        let lost: Vec<_> = writer.acknowledged.iter().filter(|id| !known.contains(id)).collect();
        assert!(lost.is_empty(), "acknowledged and not read: {lost:?}");
    }
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for event in read {
        let version = versions.entry(event.event.stream.as_str()).or_default();
        *version += 1;
        assert_eq!(event.version, *version, "stream {}", event.event.stream);
    }
}

fn tell(kind: Kind, cuts: usize, read: &[Arc<Recorded>], written: &[Written]) {
    let sum = |count: fn(&Written) -> usize| written.iter().map(count).sum::<usize>();
    let acknowledged = sum(|it| it.acknowledged.len());
    let refused = sum(|it| it.refused);
    let raw: HashSet<Uuid> = written.iter().flat_map(|it| it.brought.iter().copied()).collect();
    let of_raw = read.iter().filter(|event| raw.contains(&event.event.id)).count();
    let all = read.len();
    assert!(0 < cuts && (raw.is_empty() || 0 < of_raw), "nothing was disturbed");
    println!("{kind:?}, {cuts} cuts: {all} events, {of_raw} of them by transactions of others;");
    println!("{acknowledged} acknowledged, {refused} commits refused, rolled back or cut");
}

/// All writers that go by the store, and the stores.
async fn start(url: &str, over: &Over, dice: &mut Dice) -> Vec<JoinHandle<Written>> {
    let mut writers = Vec::new();
    for _ in 0..STORES {
        let store = EventStore::open(url).await.unwrap();
        for _ in 0..WRITERS {
            let dice = Dice::of(dice.between(0, u64::MAX));
            writers.push(tokio::spawn(write(store.clone(), over.clone(), dice)));
        }
    }
    writers
}

/// Every stream has an event behind which others can append.
async fn fill(store: &EventStore) {
    for stream in 0..STREAMS {
        let first = [Tick { key: 0, waits: false }];
        store.append(format!("shared-{stream}"), Version::NoStream, first).await.unwrap();
    }
}

/// Cuts connections for as long as the environment says; how often that was.
async fn cut(mut one: impl AsyncFnMut(), dice: &mut Dice) -> usize {
    let (clock, length) = (Clock::system(), i64::try_from(stretch().as_secs()).unwrap());
    let (begun, mut cuts) = (clock.now().as_second(), 0);
    while clock.now().as_second() - begun < length {
        one().await;
        cuts += 1;
        pause(dice, 200).await;
    }
    cuts
}

/// What the writers have written, once everybody has finished.
async fn collect(writers: Vec<JoinHandle<Written>>) -> Vec<Written> {
    let mut written = Vec::new();
    for writer in writers {
        written.push(timeout(PATIENCE, writer).await.expect("a writer ends").unwrap());
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_reader_beside_writers_on_postgres_sees_every_event_once_in_order() {
    check_postgres(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_reader_beside_locked_writers_on_postgres_sees_every_event_once_in_order() {
    check_postgres(true).await;
}

async fn check_postgres(locked: bool) {
    let server = Server::start(Kind::Postgres, &[]).await;
    let options = if locked { "?append=locked" } else { "" };
    let (url, mut dice) = (format!("{}{options}", server.url()), Dice::seeded());
    let store = EventStore::open(&url).await.unwrap();
    fill(&store).await;
    let (over, finished) = (Over::default(), Over::default());
    let reader = backend::open(&url, &Clock::system()).await.unwrap();
    let reader = tokio::spawn(follow(reader, finished.clone()));
    let mut writers = start(&url, &over, &mut dice).await;
    writers.extend((0..RAW_WRITERS).map(|_| {
        let dice = Dice::of(dice.between(0, u64::MAX));
        tokio::spawn(write_raw(server.url(), locked, over.clone(), dice))
    }));
    let mut raw = server.raw().await;
    let kill = async || {
        sqlx::query(CUT).execute(&mut raw).await.unwrap();
    };
    let cuts = cut(kill, &mut dice).await;
    over.say();
    let written = collect(writers).await;
    finished.say();
    let read = timeout(PATIENCE, reader).await.expect("the reader comes to the end").unwrap();
    let select = "SELECT id FROM kairo_event ORDER BY epoch, order_id, sequence";
    let rows = sqlx::query(select).fetch_all(&mut raw).await.unwrap();
    let log: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert_read(&read, &log, &written);
    tell(Kind::Postgres, cuts, &read, &written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn a_reader_beside_writers_on_redis_sees_every_event_once_in_order() {
    let server = Server::start(Kind::Redis, &[]).await;
    let (url, mut dice) = (server.url(), Dice::seeded());
    let store = EventStore::open(&url).await.unwrap();
    fill(&store).await;
    let (over, finished) = (Over::default(), Over::default());
    let reader = backend::open(&url, &Clock::system()).await.unwrap();
    let reader = tokio::spawn(follow(reader, finished.clone()));
    let writers = start(&url, &over, &mut dice).await;
    let client = redis::Client::open(url.clone()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let raw = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut raw = raw.unwrap();
    let kill = async || {
        let mut cut = redis::cmd("CLIENT");
        cut.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let _: u64 = cut.query_async(&mut raw).await.unwrap();
    };
    let cuts = cut(kill, &mut dice).await;
    over.say();
    let written = collect(writers).await;
    finished.say();
    let read = timeout(PATIENCE, reader).await.expect("the reader comes to the end").unwrap();
    // Nobody disturbs this one.
    let calm = backend::open(&url, &Clock::system()).await.unwrap();
    let again = follow(calm, finished).await;
    let log: Vec<Uuid> = again.iter().map(|event| event.event.id).collect();
    assert_read(&read, &log, &written);
    tell(Kind::Redis, cuts, &read, &written);
}
