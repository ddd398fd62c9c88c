//! Delayed events: in the log when they are due, in due order, once.

use std::time::Duration;

use kairo::{Error, Version, clock::Clock, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, logged, midnight, on_each_store, passing,
    sample, soon,
};

const MINUTE: Duration = Duration::from_mins(1);

async fn numbers(kairo: &Kairo) -> Vec<u64> {
    let events = logged(kairo, "sample.taken").await;
    events.iter().map(|event| event.decode::<Sample>().unwrap().number).collect()
}

#[tokio::test]
async fn delayed_events_enter_the_log_in_due_order_and_not_before() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        for minutes in [3, 1, 2] {
            let publish = kairo.publish(sample("a", u64::from(minutes))).delay(minutes * MINUTE);
            let published = publish.await.unwrap();
            assert_eq!((published.position(), published.version()), (None, None));
        }
        let _ = kairo.publish(sample("a", 4)).at(midnight() + 2 * MINUTE).await.unwrap();
        clock.advance(Duration::from_secs(59));
        let _ = kairo.publish(sample("a", 0)).await.unwrap();
        assert_eq!(numbers(&kairo).await, [0]);
        clock.advance(10 * MINUTE);
        eventually(async || numbers(&kairo).await.len() == 5).await;
        assert_eq!(numbers(&kairo).await, [0, 1, 2, 4, 3]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_time_that_has_passed_means_now() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let published = kairo.publish(sample("a", 1)).at(midnight()).await.unwrap();
        eventually(async || !logged(&kairo, "sample.taken").await.is_empty()).await;
        assert_eq!(logged(&kairo, "sample.taken").await[0].id(), published.id());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_event_never_comes_and_one_that_came_cannot_be_cancelled() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let cancelled = kairo.publish(sample("a", 1)).delay(MINUTE).await.unwrap();
        let came = kairo.publish(sample("a", 2)).delay(MINUTE).await.unwrap();
        assert!(kairo.cancel(cancelled.id()).await.unwrap());
        assert!(!kairo.cancel(cancelled.id()).await.unwrap());
        clock.advance(MINUTE);
        eventually(async || !numbers(&kairo).await.is_empty()).await;
        assert_eq!(numbers(&kairo).await, [2]);
        assert!(!kairo.cancel(came.id()).await.unwrap());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_delay_survives_a_restart() {
    let (place, clock) = (Place::sqlite(), Clock::manual(midnight()));
    let start = async || place.start_with(|bare| bare.clock(clock.clone())).await;
    let kairo = start().await;
    let seen = Journal::new();
    let first = kairo.publish(sample("a", 1)).delay(MINUTE).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop(kairo);
    clock.advance(MINUTE / 2);
    let kairo = start().await;
    let note = seen.clone();
    let subscribe = kairo.subscribe::<Sample>("sees");
    let handled = subscribe.handle(move |event| {
        note.note(event.id());
        async {}
    });
    handled.await.unwrap();
    assert!(numbers(&kairo).await.is_empty());
    clock.advance(MINUTE / 2);
    assert_eq!(seen.at_least(1).await, [first.id()]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_with_a_delay_is_refused() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let delayed = kairo.publish(sample("a", 1)).delay(MINUTE);
        let error = delayed.expect(Version::NoStream).await.unwrap_err();
        assert_eq!(error.to_string(), "`.expect(..)` cannot be checked for a delayed event");
        let published = kairo.publish(sample("a", 1)).delay(MINUTE).await.unwrap();
        let error = published.handled().await.unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_runs_again_delays_once() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let (bus, attempts) = (kairo.publisher(), Journal::new());
        let note = attempts.clone();
        kairo
            .subscribe::<Sample>("delays")
            .retry(RetryPolicy::new(2).backoff(2 * MINUTE))
            .handle(move |event| {
                note.note(());
                let (bus, last) = (bus.clone(), note.all().len() == 3);
                async move {
                    // The first is in the log by the time of the second attempt.
                    let echo = Echo::from(event.payload());
                    let _ = bus.publish(echo).delay(MINUTE).await.map_err(Failure::from)?;
                    if last { Ok(()) } else { Err(Failure::retryable(Busy)) }
                }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        passing(&clock, Duration::from_secs(10), published.settled()).await.unwrap();
        clock.advance(5 * MINUTE);
        let barrier = kairo.publish(sample("b", 2)).delay(Duration::from_secs(1)).await.unwrap();
        clock.advance(MINUTE);
        eventually(async || {
            logged(&kairo, "sample.taken").await.iter().any(|event| event.id() == barrier.id())
        })
        .await;
        let echoes = logged(&kairo, "echo.heard").await;
        let of_first = echoes.iter().filter(|echo| echo.causation() == Some(published.id()));
        assert_eq!(of_first.count(), 1);
        soon(kairo.shutdown()).await.unwrap();
    })
    .await;
}
