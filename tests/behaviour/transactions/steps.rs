//! Transactions of a saga's steps: what a step does in one happens together with its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kairo::{
    backend,
    clock::Clock,
    journal::SagaChange,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Place, soon};
use rusqlite::Connection;

const MAKE: &str = "CREATE TABLE IF NOT EXISTS seat (number INTEGER NOT NULL)";

#[data]
struct Row(i64);

#[data]
struct Seat(i64);

/// Takes a seat in a table, and gives it back in one.
#[derive(Default)]
struct Seats {
    is_full: bool,
    /// Whether the first try of a step fails behind its effect.
    stumbles: AtomicBool,
}

#[saga("seats")]
impl Seats {
    #[step(retry(max = 2, backoff = "1ms"))]
    async fn take(&self, row: &Row, tx: &mut Tx) -> Result<Seat, Failure> {
        let connection = tx.connection::<Connection>().await?;
        connection.execute_batch(MAKE)?;
        connection.execute("INSERT INTO seat VALUES (?1)", [row.0])?;
        if self.stumbles.swap(false, Ordering::SeqCst) {
            return Err(Failure::retryable("stumbled"));
        }
        Ok(Seat(row.0))
    }

    #[compensate(take)]
    async fn give_back(&self, seat: &Seat, tx: &mut Tx) -> Result<(), Failure> {
        let connection = tx.connection::<Connection>().await?;
        connection.execute("DELETE FROM seat WHERE number = ?1", [seat.0])?;
        Ok(())
    }

    #[step]
    async fn sit_down(&self, seat: &Seat) -> Result<i64, Failure> {
        if self.is_full { Err(Failure::permanent("the row is full")) } else { Ok(seat.0) }
    }
}

async fn taken(kairo: &Kairo) -> Vec<i64> {
    let read = kairo.transaction(async |tx| {
        let connection = tx.connection::<Connection>().await?;
        connection.execute_batch(MAKE)?;
        let mut select = connection.prepare("SELECT number FROM seat ORDER BY number")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn the_effect_of_a_step_is_there_when_the_step_is_done() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let seats = Seats { stumbles: AtomicBool::new(true), ..Seats::default() };
    let outcome = soon(kairo.saga(seats).execute(Row(7))).await.unwrap();
    assert_eq!(outcome.completed().unwrap(), 7);
    assert_eq!(taken(&kairo).await, [7], "the try that stumbled left nothing");
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_compensation_undoes_it_in_a_transaction() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let seats = Seats { is_full: true, ..Seats::default() };
    let outcome = soon(kairo.saga(seats).execute(Row(7))).await.unwrap();
    assert!(outcome.completed().is_err());
    assert_eq!(taken(&kairo).await, [0; 0]);
    kairo.shutdown().await.unwrap();
}

/// A store in which the write of a saga fails that is the `nth` one.
async fn failing(url: &str, nth: u32) -> Arc<FaultyStore> {
    let store = backend::open(url, &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(store));
    let writes = std::sync::atomic::AtomicU32::new(0);
    faulty.fail_where(move |_, call| {
        let is_write = matches!(call, Call::Commit(unit) if unit.sagas.iter()
            .any(|change| matches!(change, SagaChange::Write(_))));
        let is_meant = is_write && writes.fetch_add(1, Ordering::SeqCst) + 1 == nth;
        is_meant.then_some(When::After)
    });
    faulty
}

#[tokio::test]
async fn a_lost_answer_does_nothing_twice() {
    for nth in 1..4 {
        let place = Place::sqlite();
        let store = failing(place.url(), nth).await;
        let kairo = place.bare().backend(store).start().await.unwrap();
        let outcome = soon(kairo.saga(Seats::default()).execute(Row(nth.into()))).await.unwrap();
        assert_eq!(outcome.completed().unwrap(), i64::from(nth));
        assert_eq!(taken(&kairo).await, [i64::from(nth)]);
        kairo.shutdown().await.unwrap();
    }
}
