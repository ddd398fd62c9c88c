//! Health: what runs, what lags, what is parked, and what has died.

use std::time::Duration;

use kairo::{
    bus::{Condition, SubscriptionHealth},
    prelude::*,
};
use kairo_tests::support::{Busy, Echo, Sample, eventually, on_each_store, sample, soon};

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
