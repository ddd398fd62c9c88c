//! Transactions of handlers: whatever happens around them, their effects happen once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use kairo::{
    backend,
    clock::Clock,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{
    Busy, Echo, Place, Sample, eventually, logged, on_each_store, sample, soon,
};
use rusqlite::Connection;

/// How often a handler has begun.
type Runs = Arc<AtomicU32>;

const MAKE: &str = "CREATE TABLE IF NOT EXISTS effect (number INTEGER NOT NULL)";

async fn effect(tx: &mut Tx, number: i64) -> Result<(), Failure> {
    let connection = tx.connection::<Connection>().await?;
    connection.execute_batch(MAKE)?;
    connection.execute("INSERT INTO effect VALUES (?1)", [number])?;
    Ok(())
}

async fn effects(kairo: &Kairo) -> Vec<i64> {
    let read = kairo.transaction(async |tx| {
        let connection = tx.connection::<Connection>().await?;
        connection.execute_batch(MAKE)?;
        let mut select = connection.prepare("SELECT number FROM effect ORDER BY number")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    });
    read.await.unwrap()
}

#[handler(event = "sample.taken", name = "effects", retry(max = 3, backoff = "1ms"))]
async fn has_effects(sample: &Sample, tx: &mut Tx, runs: State<Runs>) -> Result<Echo, Failure> {
    let run = runs.fetch_add(1, Ordering::SeqCst);
    effect(tx, sample.number.cast_signed()).await?;
    if run == 0 {
        return Err(Busy.into());
    }
    Ok(Echo::from(sample))
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_nothing() {
    let (place, runs) = (Place::sqlite(), Runs::default());
    let builder = place.bare().state(Arc::clone(&runs)).only(has_effects);
    let kairo = builder.start().await.unwrap();
    let published = kairo.publish(sample("a", 7)).await.unwrap();
    assert!(soon(published.settled()).await.unwrap().all_done());
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(effects(&kairo).await, [7]);
    let echoes = logged(&kairo, "echo.heard").await;
    assert_eq!((echoes.len(), echoes[0].causation()), (1, Some(published.id())));
    kairo.shutdown().await.unwrap();
}

/// A store that never learns how far a subscription is.
async fn forgetful(url: &str) -> Arc<FaultyStore> {
    let store = backend::open(url, &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(store));
    faulty.fail_where(|_, call| {
        let is_progress = matches!(call, Call::Commit(unit) if !unit.progress.is_empty());
        is_progress.then_some(When::Before)
    });
    faulty
}

#[tokio::test]
async fn an_event_that_comes_again_has_its_effects_once() {
    let (place, runs) = (Place::sqlite(), Runs::new(AtomicU32::new(1)));
    let builder = || place.bare().state(Arc::clone(&runs)).only(has_effects);
    let store = forgetful(place.url()).await;
    for round in 0..5 {
        let kairo = builder().backend(store.clone()).start().await.unwrap();
        if round == 0 {
            kairo.publish_all((0..3).map(|number| sample("a", number))).await.unwrap();
        }
        eventually(async || logged(&kairo, "echo.heard").await.len() == 3).await;
        kairo.stop_at_once();
    }
    let kairo = place.bare().backend(store).start().await.unwrap();
    assert_eq!(effects(&kairo).await, [0, 1, 2]);
    assert_eq!(runs.load(Ordering::SeqCst), 4, "each event came to the handler once");
    kairo.shutdown().await.unwrap();
}

#[handler(event = "sample.taken", name = "echoes")]
async fn echoes(sample: &Sample, tx: &mut Tx) -> Result<(), Failure> {
    tx.publish(Echo { key: sample.key.clone(), number: 1 }).await?;
    tx.publish(Echo { key: sample.key.clone(), number: 2 }).await?;
    Ok(())
}

#[tokio::test]
async fn what_a_handler_publishes_in_its_transaction_has_its_event_as_the_cause() {
    on_each_store(async |place| {
        let kairo = place.bare().only(echoes).start().await.unwrap();
        let published = kairo.publish(sample("a", 7)).await.unwrap();
        assert!(soon(published.handled()).await.unwrap().all_done());
        let echoes = logged(&kairo, "echo.heard").await;
        let causes: Vec<_> = echoes.iter().map(AnyEvent::causation).collect();
        assert_eq!(causes, [Some(published.id()); 2]);
        assert_eq!(echoes[0].correlation(), published.id());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_with_a_transaction_can_be_called_in_a_test() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo
            .transaction(async |tx| echoes(&Sample { key: "a".into(), number: 1 }, tx).await)
            .await
            .unwrap();
        assert_eq!(logged(&kairo, "echo.heard").await.len(), 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_repeats_nothing() {
    let (place, runs) = (Place::sqlite(), Runs::new(AtomicU32::new(1)));
    let store = backend::open(place.url(), &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(store));
    let lost = AtomicU32::new(0);
    faulty.fail_where(move |_, call| {
        let is_marked = matches!(call, Call::IsMarked);
        (is_marked && lost.fetch_add(1, Ordering::SeqCst) == 0).then_some(When::After)
    });
    let builder = place.bare().state(Arc::clone(&runs)).only(has_effects).backend(faulty);
    let kairo = builder.start().await.unwrap();
    let published = kairo.publish(sample("a", 7)).await.unwrap();
    assert!(soon(published.settled()).await.unwrap().all_done());
    assert_eq!(effects(&kairo).await, [7]);
    kairo.shutdown().await.unwrap();
}

#[handler(event = "sample.taken", name = "twice")]
async fn asks_twice(_sample: &Sample, _tx: &mut Tx, _other: Tx) {}

#[tokio::test]
async fn a_run_has_one_transaction() {
    on_each_store(async |place| {
        let kairo = place.bare().only(asks_twice).start().await.unwrap();
        let published = kairo.publish(sample("a", 7)).await.unwrap();
        assert!(!soon(published.settled()).await.unwrap().all_done());
        let letters = kairo_tests::support::letters(&kairo).await;
        let error = &letters[0].failures[0].errors[0];
        assert_eq!(error, "the transaction is in use already");
        kairo.shutdown().await.unwrap();
    })
    .await;
}
