//! Loading an aggregate from SQLite, against the query by hand that decodes and folds the same events.

#[allow(dead_code, reason = "each bench uses its part")]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
mod runner;

use deposits::{Deposited, Deposits, Folder};
use kairo::{Aggregate, aggregate::Loaded, prelude::*};
use runner::{Promise, Runner, Stopwatch};
use rusqlite::Connection;
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

fn main() {
    let runner = Runner::new("aggregates: loads in one process, against the query by hand");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = Folder::new();
    let kairo = runtime.block_on(folder.bus());
    let hand = Connection::open(folder.file("kairo.db")).expect("the file opens");
    for (events, loads, promise) in [(10, 50_000, 0.85), (100, 10_000, 0.85), (10_000, 100, 1.1)] {
        let account = runtime.block_on(fill(&kairo, events));
        let loads = runner.work(loads);
        runner.compare(
            &format!("{events} events"),
            "/s",
            Promise::From(promise),
            || rate(loads, || by_hand(&hand, account).expect("the rows are events")),
            || rate(loads, || load::<Account>(&runtime, &kairo, account).balance),
        );
    }
    let account = runtime.block_on(fill(&kairo, 10_000));
    let loads = runner.work(100);
    runner.compare(
        "a snapshot of 10000 events, against these events",
        "/s",
        Promise::From(50.0),
        || rate(loads, || by_hand(&hand, account).expect("the rows are events")),
        || rate(loads * 100, || load::<KeptAccount>(&runtime, &kairo, account).balance),
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

/// One prepared statement, whose rows are decoded by name and folded.
fn by_hand(connection: &Connection, account: Uuid) -> rusqlite::Result<i64> {
    const SELECT: &str = "SELECT name, payload FROM kairo_event WHERE stream = ?1 ORDER BY version";
    let mut select = connection.prepare_cached(SELECT)?;
    let mut rows = select.query([format!("account-{account}")])?;
    let mut state = Account::default();
    while let Some(row) = rows.next()? {
        let payload = row.get_ref(1)?.as_str()?;
        match row.get_ref(0)?.as_str()? {
            "account.closed" => state.closed(&decode(payload)),
            "account.deposited" => state.deposited(&decode(payload)),
            _ => {}
        }
    }
    Ok(state.balance)
}

fn decode<T: serde::de::DeserializeOwned>(payload: &str) -> T {
    serde_json::from_str(payload).expect("it was written as the same type")
}
