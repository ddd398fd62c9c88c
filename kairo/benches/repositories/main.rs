//! Entities created, updated and read one after the other, against the same SQL by hand with the same
//! driver: a document and its event in one transaction, and one row by its id. On SQLite with
//! `synchronous=FULL`, and on the PostgreSQL server that `KAIRO_POSTGRES_URL` names.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../deposits.rs"]
mod deposits;
#[cfg(feature = "postgres")]
mod postgres;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../runner.rs"]
mod runner;
mod sqlite;

use std::cell::RefCell;

use kairo::{Kairo, Uuid, clock::Clock, prelude::*};
use runner::{Promise, Runner, Stopwatch};
use tokio::runtime::{Builder, Runtime};

/// What a repository must reach, as a share of the same SQL by hand.
const SHARE: f64 = 0.8;

/// How many entities each side writes in a round.
const WRITES: u64 = 2_000;

/// How many it reads.
const READS: u64 = 20_000;

#[repository("users")]
#[derive(PartialEq)]
pub(crate) struct User {
    #[id]
    pub(crate) id: Uuid,
    pub(crate) name: String,
    #[unique]
    pub(crate) email: String,
    pub(crate) visits: u64,
}

/// A user of whom there is no other.
fn user(clock: &Clock) -> User {
    let id = clock.new_id();
    User { id, name: "Ada Lovelace".to_owned(), email: format!("{id}@example.com"), visits: 0 }
}

/// What is done by hand, as far as it differs between stores.
pub(crate) trait Side {
    /// The bus on the store.
    fn kairo(&self) -> &Kairo;

    /// Inserts the document and its event.
    fn create(&mut self, runtime: &Runtime, user: &User);

    /// Reads the document, and replaces it at its version, with its event.
    fn update(&mut self, runtime: &Runtime, id: Uuid);

    /// Reads the document.
    fn get(&mut self, runtime: &Runtime, id: Uuid) -> User;

    /// Leaves the store as it was.
    fn close(self, runtime: &Runtime);
}

fn compare(runner: &Runner, runtime: &Runtime, store: &str, side: impl Side) {
    let clock = Clock::system();
    let users = side.kairo().repository::<User>();
    let side = RefCell::new(side);
    let (writes, reads) = (runner.work(WRITES), runner.work(READS));
    let one = user(&clock);
    let id = runtime.block_on(users.create(one)).expect("the id is free").id;
    let other = user(&clock);
    side.borrow_mut().create(runtime, &other);

    runner.compare(
        &format!("{store}: create"),
        "per s",
        Promise::From(SHARE),
        || rate(writes, || side.borrow_mut().create(runtime, &user(&clock))),
        || {
            rate(writes, || {
                runtime.block_on(users.create(user(&clock))).expect("the id is free");
            })
        },
    );
    runner.compare(
        &format!("{store}: update"),
        "per s",
        Promise::From(SHARE),
        || rate(writes, || side.borrow_mut().update(runtime, other.id)),
        || {
            rate(writes, || {
                let updated = users.update_with(id, |user| user.visits += 1);
                runtime.block_on(updated).expect("nobody else writes");
            })
        },
    );
    runner.compare(
        &format!("{store}: get"),
        "per s",
        Promise::From(SHARE),
        || rate(reads, || assert_eq!(side.borrow_mut().get(runtime, other.id).id, other.id)),
        || {
            rate(reads, || {
                let user = runtime.block_on(users.get(id)).expect("it is there");
                assert_eq!(user.id, id);
            })
        },
    );
    side.into_inner().close(runtime);
}

/// How often something is done per second.
fn rate(count: u64, mut work: impl FnMut()) -> f64 {
    let watch = Stopwatch::start();
    (0..count).for_each(|_| work());
    watch.per_second(count)
}

fn main() {
    let runner = Runner::new("Entities, one after the other");
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    compare(&runner, &runtime, "SQLite", sqlite::Sqlite::open(&runtime));
    #[cfg(feature = "postgres")]
    if let Ok(url) = std::env::var("KAIRO_POSTGRES_URL") {
        compare(&runner, &runtime, "PostgreSQL", postgres::Postgres::open(&runtime, &url));
    }
}
