//! Loading an aggregate, against the query by hand that decodes and folds the same events: from
//! SQLite, and from the PostgreSQL server that `KAIRO_POSTGRES_URL` names.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../deposits.rs"]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../runner.rs"]
mod runner;

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use deposits::{Deposited, Deposits};
use kairo::{Aggregate, aggregate::Loaded, prelude::*};
use runner::{Promise, Runner, Stopwatch};
use tokio::runtime::{self, Runtime};

/// How many events of one instance are appended in one commit.
const BATCH: u64 = 1_000;

/// What follows a deposit now and then, so that there is a choice to make.
#[event("account.closed")]
struct Closed {
    #[key]
    account: Uuid,
}

/// The balance of an account.
#[derive(Default)]
struct Account {
    balance: i64,
    open: bool,
}

#[aggregate("account")]
impl Account {
    #[apply]
    fn closed(&mut self, _event: &Closed) {
        self.open = false;
    }

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.open = true;
        self.balance += event.amount;
    }
}

/// The same, with snapshots.
#[data]
#[derive(Default)]
struct KeptAccount {
    balance: i64,
}

#[aggregate("account", snapshot_every = 1_000)]
impl KeptAccount {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }
}

/// A store with its query by hand.
trait Side {
    /// The bus on it.
    fn kairo(&self) -> &Kairo;

    /// Makes ready what the query by hand reads of an account that has been filled.
    fn prepare(&mut self, runtime: &Runtime, account: Uuid);

    /// The balance of an account, by hand.
    fn by_hand(&mut self, runtime: &Runtime, account: Uuid) -> i64;
}

fn main() {
    let runner = Runner::new("aggregates: loads in one process, against the query by hand");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("  SQLite");
    compare(&runner, &runtime, &mut sqlite::Sqlite::open(&runtime), [50_000, 10_000, 100]);
    compare_postgres(&runner, &runtime);
}

#[cfg(feature = "postgres")]
fn compare_postgres(runner: &Runner, runtime: &Runtime) {
    match std::env::var("KAIRO_POSTGRES_URL") {
        Ok(url) => {
            println!("  PostgreSQL");
            let mut side = postgres::Postgres::open(runtime, &url);
            compare(runner, runtime, &mut side, [5_000, 2_000, 50]);
            side.close(runtime);
        }
        Err(_) => {
            println!("  PostgreSQL: not measured, for `KAIRO_POSTGRES_URL` names no database");
        }
    }
}

#[cfg(not(feature = "postgres"))]
fn compare_postgres(_runner: &Runner, _runtime: &Runtime) {
    println!("  PostgreSQL: not measured without the feature `postgres`");
}

/// Loads of 10, 100 and 10,000 events, so many of each, and of a snapshot.
fn compare(runner: &Runner, runtime: &Runtime, side: &mut dyn Side, loads: [u64; 3]) {
    let kairo = side.kairo().clone();
    let streams = [(10, 0.85), (100, 0.85), (10_000, 1.1)];
    for ((events, promise), loads) in streams.into_iter().zip(loads) {
        let account = runtime.block_on(fill(&kairo, events));
        side.prepare(runtime, account);
        let loads = runner.work(loads);
        runner.compare(
            &format!("{events} events"),
            "/s",
            Promise::From(promise),
            || rate(loads, || side.by_hand(runtime, account)),
            || rate(loads, || load::<Account>(runtime, &kairo, account).balance),
        );
    }
    let account = runtime.block_on(fill(&kairo, 10_000));
    side.prepare(runtime, account);
    let loads = runner.work(loads[2]);
    runner.compare(
        "a snapshot of 10000 events, against these events",
        "/s",
        Promise::From(50.0),
        || rate(loads, || side.by_hand(runtime, account)),
        || rate(loads * 100, || load::<KeptAccount>(runtime, &kairo, account).balance),
    );
    runtime.block_on(kairo.shutdown()).expect("the store closes");
}

/// An account with so many deposits.
async fn fill(kairo: &Kairo, events: u64) -> Uuid {
    let account = kairo::clock::Clock::system().new_id();
    let mut deposits = Deposits::new();
    let mut deposit = || Deposited { account, ..deposits.next().0 };
    let mut left = events;
    while 0 < left {
        let batch: Vec<_> = (0..left.min(BATCH)).map(|_| deposit()).collect();
        left -= left.min(BATCH);
        let _ = kairo.publish_all(batch).await.expect("the store takes them");
    }
    account
}

fn rate(loads: u64, mut load: impl FnMut() -> i64) -> f64 {
    let watch = Stopwatch::start();
    for _ in 0..loads {
        assert_ne!(load(), 0);
    }
    watch.per_second(loads)
}

fn load<A: Aggregate>(runtime: &Runtime, kairo: &Kairo, account: Uuid) -> Loaded<A> {
    runtime.block_on(kairo.aggregate::<A>(account).load()).expect("it has events")
}

/// Decodes a payload by its event's name, and folds it.
fn apply(state: &mut Account, name: &str, payload: &str) {
    match name {
        "account.closed" => state.closed(&decode(payload)),
        "account.deposited" => state.deposited(&decode(payload)),
        _ => {}
    }
}

fn decode<T: serde::de::DeserializeOwned>(payload: &str) -> T {
    serde_json::from_str(payload).expect("it was written as the same type")
}
