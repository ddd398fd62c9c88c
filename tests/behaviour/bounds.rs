//! Bounds: a subscription stops at its limits, goes on when it can, and disturbs nobody.

use std::time::Duration;

use kairo::{
    bus::{Condition, SubscriptionHealth},
    prelude::*,
};
use kairo_tests::support::{Busy, Gate, Journal, Sample, eventually, on_each_store, sample, soon};

async fn health(kairo: &Kairo, name: &str) -> SubscriptionHealth {
    let health = kairo.health().await.unwrap();
    health.subscriptions.into_iter().find(|it| it.name == name).unwrap()
}

#[tokio::test]
async fn a_stuck_event_lets_a_bounded_number_of_others_pass() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (gate, done) = (Gate::shut(), Journal::new());
        let (pass, note) = (gate.clone(), done.clone());
        kairo
            .subscribe::<Sample>("one-stuck")
            .timeout(Duration::from_mins(10))
            .handle(move |event| {
                let (pass, note) = (pass.clone(), note.clone());
                async move {
                    if event.number == 0 {
                        pass.pass().await;
                    }
                    note.note(event.number);
                }
            })
            .await
            .unwrap();
        kairo.subscribe::<Sample>("free").handle(async |_| {}).await.unwrap();
        let all: Vec<_> = (0..1_500).map(|number| sample(number, number)).collect();
        let published = kairo.publish_all(all).await.unwrap();
        done.at_least(1_023).await;
        let last = kairo.publish(sample("last", 1_500)).await.unwrap();
        eventually(async || health(&kairo, "free").await.read_to == last.position().unwrap()).await;
        let stuck = health(&kairo, "one-stuck").await;
        assert!(stuck.read_to < last.position().unwrap());
        assert_eq!(done.all().len(), 1_023);
        gate.open();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert!(soon(last.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_parking_stops_its_own_subscription_only_and_empties_again() {
    let place = kairo_tests::support::Place::memory();
    let kairo = place.start_with(|bare| bare.circuit_breaker(false)).await;
    let mended = Gate::shut();
    let is_mended = mended.clone();
    kairo
        .subscribe::<Sample>("fills")
        .retry(RetryPolicy::new(1_000).backoff(Duration::from_millis(1_100)))
        .handle(move |_| {
            let is_well = is_mended.is_open();
            async move { if is_well { Ok(()) } else { Err(Busy) } }
        })
        .await
        .unwrap();
    kairo.subscribe::<Sample>("free").handle(async |_| {}).await.unwrap();
    for chunk in 0..11 {
        let numbers = chunk * 1_000..(chunk + 1) * 1_000;
        let all: Vec<_> = numbers.map(|number| sample("same", number)).collect();
        let _ = kairo.publish_all(all).await.unwrap();
    }
    let last = kairo.publish(sample("other", 0)).await.unwrap();
    eventually(async || health(&kairo, "free").await.read_to == last.position().unwrap()).await;
    eventually(async || health(&kairo, "fills").await.condition == Condition::Full).await;
    let parked = health(&kairo, "fills").await.parked;
    // What had been taken in when it was full is parked as well: 1,024 at most.
    assert!((10_000..=11_024).contains(&parked), "{parked}");
    assert!(!kairo.health().await.unwrap().is_good());
    mended.open();
    assert!(soon(last.settled()).await.unwrap().all_done());
    eventually(async || health(&kairo, "fills").await.parked == 0).await;
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_paused_subscription_begins_nothing_until_resumed() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        let note = seen.clone();
        let subscription = kairo
            .subscribe::<Sample>("pauses")
            .handle(move |event| {
                note.note(event.number);
                async {}
            })
            .await
            .unwrap();
        subscription.pause().await.unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        let handled = soon(published.handled()).await.unwrap();
        assert_eq!(handled.outcome("pauses"), Some(Outcome::Paused));
        assert_eq!(health(&kairo, "pauses").await.condition, Condition::Paused);
        assert!(seen.all().is_empty());
        subscription.resume().await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(seen.all(), [1]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_unsubscribed_handler_sees_nothing_more_and_its_place_is_gone() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        for round in 1..=2 {
            let note = seen.clone();
            let subscribe = kairo.subscribe::<Sample>("leaves");
            let handled = subscribe.handle(move |event| {
                note.note((round, event.number));
                async {}
            });
            let subscription = handled.await.unwrap();
            let published = kairo.publish(sample("a", round)).await.unwrap();
            assert!(soon(published.settled()).await.unwrap().all_done());
            subscription.unsubscribe().await.unwrap();
            let missed = kairo.publish(sample("a", 9)).await.unwrap();
            assert!(soon(missed.settled()).await.unwrap().outcome("leaves").is_none());
        }
        assert_eq!(seen.all(), [(1, 1), (2, 2)]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
