//! Health: what runs, what lags, what is parked, and what has died.

use std::time::Duration;

use kairo::{
    backend,
    bus::{Condition, SubscriptionHealth},
    clock::Clock,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, on_each_store, sample, soon,
};

async fn health_of(kairo: &Kairo, name: &str) -> SubscriptionHealth {
    let health = kairo.health().await.unwrap();
    let found = health.subscriptions.into_iter().find(|known| known.name == name);
    found.expect("the subscription is known")
}

#[tokio::test]
async fn a_paused_subscription_lags_by_what_is_published() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = kairo.subscribe::<Sample>("seen").handle(async |_| ()).await.unwrap();
        kairo.subscribe_any("any", "sample.*").handle(async |_| ()).await.unwrap();
        for name in ["seen", "any"] {
            kairo.subscription(name).unwrap().pause().await.unwrap();
            let health = health_of(&kairo, name).await;
            assert_eq!((health.condition, health.lag), (Condition::Paused, 0));
        }
        for number in 0..3 {
            let _ = kairo.publish(sample("a", number)).await.unwrap();
            let _ = kairo.publish(Echo::from(&sample("a", number))).await.unwrap();
        }
        let health = health_of(&kairo, "seen").await;
        assert_eq!((health.condition, health.lag), (Condition::Paused, 3));
        assert_eq!(health_of(&kairo, "any").await.lag, 6);
        assert!(!kairo.health().await.unwrap().is_good());

        seen.resume().await.unwrap();
        eventually(async || health_of(&kairo, "seen").await.lag == 0).await;
        assert_eq!(health_of(&kairo, "seen").await.condition, Condition::Running);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn parked_events_and_letters_are_counted() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let policy = RetryPolicy::new(1).backoff(Duration::from_hours(1));
        let subscribe = kairo.subscribe::<Sample>("sick").retry(policy);
        let handled =
            subscribe.handle(|event| {
                let is_hopeless = event.key == "dead";
                async move {
                    Err::<(), _>(if is_hopeless { Failure::permanent(Busy) } else { Busy.into() })
                }
            });
        handled.await.unwrap();
        let dead = kairo.publish(sample("dead", 0)).await.unwrap();
        soon(dead.settled()).await.unwrap();
        let _ = kairo.publish_all([sample("a", 1), sample("a", 2)]).await.unwrap();
        eventually(async || health_of(&kairo, "sick").await.parked == 2).await;
        let health = health_of(&kairo, "sick").await;
        assert_eq!((health.letters, health.lag, health.newer), (1, 0, 0));
        assert_eq!((health.condition, health.running), (Condition::Running, 0));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// Runs a statement on a store's file, as people can who have it.
fn tamper(place: &Place, statement: &str) {
    let path = place.url().trim_start_matches("sqlite://");
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    assert_eq!(rusqlite::Connection::open(path).unwrap().execute(statement, []).unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_row_is_shown_by_those_who_need_it_until_it_is_mended() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    for number in 1..=3 {
        let _ = kairo.publish(sample("a", number)).await.unwrap();
    }
    kairo.shutdown().await.unwrap();
    drop(kairo);
    tamper(&place, "UPDATE kairo_event SET correlation = x'00' WHERE version = 2");

    let kairo = place.start().await;
    let (seen, note) = (Journal::new(), Journal::new());
    let (all, new) = (seen.clone(), note.clone());
    let reads = kairo.subscribe::<Sample>("reads-all").from_beginning().handle(move |event| {
        all.note(event.number);
        async {}
    });
    reads.await.unwrap();
    let reads = kairo.subscribe::<Sample>("reads-new").handle(move |event| {
        new.note(event.number);
        async {}
    });
    reads.await.unwrap();
    eventually(async || health_of(&kairo, "reads-all").await.failing.is_some()).await;
    let failing = health_of(&kairo, "reads-all").await.failing.unwrap();
    assert!(failing.contains("test.db"), "{failing}");
    assert!(!kairo.health().await.unwrap().is_good());
    let _ = kairo.publish(sample("a", 4)).await.unwrap();
    assert_eq!(note.at_least(1).await, [4]);
    assert_eq!(health_of(&kairo, "reads-new").await.failing, None);

    tamper(&place, "UPDATE kairo_event SET correlation = id WHERE version = 2");
    assert_eq!(seen.at_least(4).await, [1, 2, 3, 4]);
    assert!(kairo.health().await.unwrap().is_good());
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_fails_again_and_again_is_shown_until_it_succeeds() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let faulty = std::sync::Arc::new(FaultyStore::new(store));
        let kairo = place.bare().backend(std::sync::Arc::clone(&faulty) as _).start().await;
        let kairo = kairo.unwrap();
        kairo.subscribe::<Sample>("seen").handle(async |_| ()).await.unwrap();
        let delay = Duration::from_millis(1);
        let fails: [fn(Call<'_>) -> bool; 3] = [
            |call| matches!(call, Call::ReadLog),
            |call| matches!(call, Call::Due),
            |call| matches!(call, Call::Commit(unit) if !unit.progress.is_empty()),
        ];
        for (index, fails) in fails.into_iter().enumerate() {
            faulty.fail_where(move |_, call| fails(call).then_some(When::Before));
            let _ = kairo.publish(sample("a", 1)).await.unwrap();
            let _ = kairo.publish(sample("a", 2)).delay(delay).await.unwrap();
            let failing = async || {
                let health = kairo.health().await.unwrap();
                assert_eq!(
                    health.is_good(),
                    health.failing.is_none() && {
                        health.subscriptions.iter().all(|it| it.failing.is_none())
                    }
                );
                let of_subscription = health.subscriptions.into_iter().find_map(|it| it.failing);
                health.failing.or(of_subscription)
            };
            eventually(async || failing().await.is_some()).await;
            let error = failing().await.unwrap();
            assert!(error.contains("a fault on request"), "case {index}: {error}");
            faulty.fail_where(|_, _| None);
            eventually(async || failing().await.is_none()).await;
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}
