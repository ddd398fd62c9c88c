//! Own queries inside a transaction, on SQLite.

use std::time::Duration;

use kairo::{Error, clock::Clock, prelude::*};
use kairo_tests::support::{Place, logged, midnight, passing, sample};
use rusqlite::Connection;

const MAKE: &str = "CREATE TABLE IF NOT EXISTS note (text TEXT NOT NULL)";

/// Writes a note in a transaction.
async fn note(tx: &mut Tx, text: &str) -> kairo::Result {
    let connection = tx.connection::<Connection>().await?;
    connection.execute_batch(MAKE).expect("a table can be made");
    connection.execute("INSERT INTO note VALUES (?1)", [text]).expect("a note can be written");
    Ok(())
}

async fn notes(kairo: &Kairo) -> Vec<String> {
    let read = kairo.transaction(async |tx| {
        let connection = tx.connection::<Connection>().await?;
        connection.execute_batch(MAKE)?;
        let mut select = connection.prepare("SELECT text FROM note")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn own_queries_and_events_commit_together() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    kairo
        .transaction(async |tx| {
            tx.publish(sample("a", 1)).await?;
            note(tx, "kept").await?;
            Ok(())
        })
        .await
        .unwrap();
    let undone = kairo
        .transaction(async |tx| {
            tx.publish(sample("a", 2)).await?;
            note(tx, "lost").await?;
            Err::<(), _>(Failure::permanent("no"))
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(notes(&kairo).await, ["kept"]);
    assert_eq!(logged(&kairo, "sample.taken").await.len(), 1);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_write_beside_an_open_transaction_is_refused_at_once() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let refused = kairo
        .transaction(async |tx| {
            note(tx, "lost").await?;
            kairo.publish(sample("a", 1)).await?;
            Ok(())
        })
        .await;
    let Err(Error::Misuse(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("tx.publish"), "{why}");
    assert_eq!(notes(&kairo).await, [""; 0]);
    kairo.publish(sample("a", 2)).await.unwrap();
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_keeps_others_from_writing_is_cut_off() {
    let clock = Clock::manual(midnight());
    let place = Place::sqlite();
    let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
    let (begun, waits) = tokio::sync::oneshot::channel();
    let long = kairo.transaction(async |tx| {
        note(tx, "lost").await?;
        let _ = begun.send(());
        std::future::pending::<()>().await;
        Ok(())
    });
    let other = async {
        waits.await.unwrap();
        kairo.publish(sample("a", 1)).await
    };
    let both = async { tokio::join!(long, other) };
    let (cut, published) = passing(&clock, Duration::from_secs(1), both).await;
    let Err(Error::Aborted { source }) = cut else { panic!("{cut:?}") };
    assert!(source.to_string().contains("more than 5s"), "{source}");
    published.unwrap();
    assert_eq!(notes(&kairo).await, [""; 0]);
    kairo.shutdown().await.unwrap();
}
