//! Transactions that are lent to a closure.

use std::time::Duration;

use kairo::{Error, prelude::*};
use kairo_tests::support::{Busy, Echo, logged, on_each_store, sample, soon};

#[tokio::test]
async fn what_a_transaction_publishes_is_there_together_at_its_end() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = kairo
            .transaction(async |tx| {
                let first = tx.publish(sample("a", 1)).metadata("who", "Ada").await?;
                tx.publish(Echo { key: "a".into(), number: 2 }).stream("elsewhere").await?;
                assert!(logged(&kairo, "sample.taken").await.is_empty());
                Ok(first.id())
            })
            .await
            .unwrap();
        let samples = logged(&kairo, "sample.taken").await;
        assert_eq!(samples[0].id(), seen);
        assert_eq!(samples[0].metadata()["who"], "Ada");
        assert_eq!(logged(&kairo, "echo.heard").await[0].stream(), "elsewhere");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_fails_leaves_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let failed = kairo
            .transaction(async |tx| {
                tx.publish(sample("a", 1)).await?;
                Err::<(), _>(Busy.into())
            })
            .await;
        let Err(Error::Aborted { source }) = failed else { panic!("{failed:?}") };
        assert!(source.is::<Busy>());
        let failed = kairo.transaction(async |_| Err::<(), _>(Error::Misuse("so").into())).await;
        assert!(matches!(failed, Err(Error::Misuse("so"))), "{failed:?}");
        assert!(logged(&kairo, "sample.taken").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_conflict_at_the_end_leaves_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo.publish(sample("a", 1)).await.unwrap();
        let failed = kairo
            .transaction(async |tx| {
                tx.publish(sample("b", 1)).await?;
                tx.publish(sample("a", 2)).expect(Version::NoStream).await?;
                Ok(())
            })
            .await;
        assert!(matches!(failed, Err(Error::Conflict { actual: 1, .. })), "{failed:?}");
        assert_eq!(logged(&kairo, "sample.taken").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_delayed_event_is_planned_with_its_transaction() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let later = Duration::from_millis(1);
        let planned = kairo
            .transaction(async |tx| Ok(tx.publish(sample("a", 1)).delay(later).await?.id()))
            .await
            .unwrap();
        soon(async {
            while logged(&kairo, "sample.taken").await.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(logged(&kairo, "sample.taken").await[0].id(), planned);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_of_an_open_transaction_cannot_be_waited_for() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo
            .transaction(async |tx| {
                let published = tx.publish(sample("a", 1)).await?;
                assert!(matches!(published.handled().await, Err(Error::Misuse(_))));
                assert_eq!((published.position(), published.version()), (None, None));
                Ok(())
            })
            .await
            .unwrap();
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_store_without_own_queries_says_so() {
    let kairo = kairo_tests::support::Place::memory().start().await;
    let refused = kairo
        .transaction(async |tx| {
            tx.connection::<rusqlite::Connection>().await?;
            Ok(())
        })
        .await;
    let Err(Error::Misuse(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("use SQLite or PostgreSQL"), "{why}");
    let refused = kairo.outbox().publish(&mut 7, sample("a", 1)).await;
    assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    kairo.shutdown().await.unwrap();
}
