//! Pausing, rewinding, skipping and removing a subscription of this process.

use std::{sync::Arc, time::Duration};

use kairo::{
    Error, Position, backend, bus::SubscriptionInfo, clock::Clock, delivery::Steer, prelude::*,
};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, logged, midnight, on_each_store, passing,
    sample, soon,
};

const NAME: &str = "steered";

/// A handler that notes the numbers that it sees, and echoes them.
async fn echo(kairo: &Kairo, runs: &Journal<u64>) {
    let runs = runs.clone();
    let subscribe = kairo.subscribe::<Sample>(NAME).from_beginning();
    let handled = subscribe.handle(move |event| {
        runs.note(event.number);
        async move { Echo::from(event.payload()) }
    });
    handled.await.unwrap();
}

async fn publish(kairo: &Kairo, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let _ = kairo.publish(sample("a", number)).await.unwrap();
    }
}

async fn info(kairo: &Kairo) -> SubscriptionInfo {
    kairo.subscriptions().get(NAME).await.unwrap()
}

async fn caught_up(kairo: &Kairo) {
    eventually(async || info(kairo).await.lag == 0).await;
}

#[tokio::test]
async fn a_pause_survives_a_restart() {
    let (place, runs) = (Place::sqlite(), Journal::new());
    let kairo = place.start().await;
    echo(&kairo, &runs).await;
    kairo.subscription(NAME).unwrap().pause().await.unwrap();
    publish(&kairo, [1]).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let kairo = place.start().await;
    echo(&kairo, &runs).await;
    let paused = kairo.publish(sample("a", 2)).await.unwrap();
    let handled = soon(paused.handled()).await.unwrap();
    assert_eq!(handled.outcome(NAME), Some(kairo::Outcome::Paused));
    assert!(info(&kairo).await.paused && runs.all().is_empty());
    kairo.subscriptions().resume(NAME).await.unwrap();
    assert!(soon(paused.settled()).await.unwrap().all_done());
    assert_eq!(runs.all(), [1, 2]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_subscription_says_where_it_is_who_runs_it_and_what_failed() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let policy = RetryPolicy::new(1).backoff(Duration::from_hours(1));
        let subscribe = kairo.subscribe::<Sample>(NAME).retry(policy);
        let handled = subscribe.handle(|event| async move {
            match event.number {
                1 => Err(Failure::permanent("the first")),
                2 => Err(Failure::retryable(Busy)),
                _ => Ok(()),
            }
        });
        handled.await.unwrap();
        for number in 0..=2 {
            let published = kairo.publish(sample(number, number)).await.unwrap();
            soon(published.handled()).await.unwrap();
            let failure = info(&kairo).await.failure.map(|failure| failure.errors[0].clone());
            let expected = [None, Some("the first"), Some("busy")];
            assert_eq!(failure.as_deref(), expected[usize::try_from(number).unwrap()]);
        }
        caught_up(&kairo).await;
        let info = info(&kairo).await;
        assert_eq!(info.position, kairo.store().head().await.unwrap());
        assert_eq!((info.parked, info.letters, info.paused), (1, 1, false));
        assert_eq!((info.owners.len(), info.partitions), (1, 1));
        assert!(info.owners[0].is_here);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_a_rewind_events_are_handled_again_and_what_they_cause_is_new() {
    on_each_store(async |place| {
        let (kairo, runs) = (place.start().await, Journal::new());
        echo(&kairo, &runs).await;
        publish(&kairo, 1..=3).await;
        caught_up(&kairo).await;
        kairo.subscriptions().rewind(NAME, Position::START).await.unwrap();
        assert_eq!(runs.at_least(6).await, [1, 2, 3, 1, 2, 3]);
        eventually(async || logged(&kairo, "echo.heard").await.len() == 6).await;
        // Forwards too: what lies between is never handled.
        kairo.subscriptions().pause(NAME).await.unwrap();
        publish(&kairo, 4..=5).await;
        let head = kairo.store().head().await.unwrap();
        kairo.subscriptions().rewind(NAME, head).await.unwrap();
        kairo.subscriptions().resume(NAME).await.unwrap();
        let last = kairo.publish(sample("a", 6)).await.unwrap();
        assert!(soon(last.settled()).await.unwrap().all_done());
        assert_eq!(runs.all()[6..], [6]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rewind_to_a_time_begins_with_the_first_event_from_then_on() {
    on_each_store(async |place| {
        let (clock, runs) = (Clock::manual(midnight()), Journal::new());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        echo(&kairo, &runs).await;
        let mut times = Vec::new();
        for number in 1..=4 {
            clock.advance(Duration::from_mins(1));
            times.push(clock.now());
            let published = kairo.publish(sample("a", number)).await.unwrap();
            passing(&clock, Duration::from_millis(1), published.settled()).await.unwrap();
        }
        let subscriptions = kairo.subscriptions();
        subscriptions.rewind_to_time(NAME, times[2]).await.unwrap();
        let step = Duration::from_millis(1);
        assert_eq!(passing(&clock, step, runs.at_least(6)).await[4..], [3, 4]);
        passing(&clock, step, caught_up(&kairo)).await;
        let later = kairo::clock::Timestamp::MAX;
        let place = subscriptions.rewind_to_time(NAME, later).await.unwrap();
        assert_eq!(place, kairo.store().head().await.unwrap());
        passing(&clock, step, kairo.shutdown()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_skipped_event_is_passed_over_also_when_it_is_parked() {
    on_each_store(async |place| {
        let (kairo, runs) = (place.start().await, Journal::new());
        let note = runs.clone();
        let policy = RetryPolicy::new(1).backoff(Duration::from_hours(1));
        let subscribe = kairo.subscribe::<Sample>(NAME).retry(policy);
        let handled = subscribe.handle(move |event| {
            note.note(event.number);
            async move { if event.number == 1 { Err(Busy) } else { Ok(()) } }
        });
        handled.await.unwrap();
        publish(&kairo, 1..=3).await;
        eventually(async || info(&kairo).await.parked == 3).await;
        let log = kairo.store().log(Position::START);
        let events: Vec<AnyEvent> = futures_util::TryStreamExt::try_collect(log).await.unwrap();
        let positions: Vec<_> = events.iter().map(AnyEvent::position).collect();
        for position in &positions[..2] {
            kairo.subscriptions().skip(NAME, *position).await.unwrap();
        }
        assert_eq!(runs.at_least(2).await, [1, 3]);
        caught_up(&kairo).await;
        eventually(async || info(&kairo).await.parked == 0).await;
        let error = kairo.subscriptions().skip(NAME, positions[2]).await.unwrap_err();
        assert!(matches!(error, Error::WrongState(_)), "{error}");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_subscription_that_somebody_else_moves_is_claimed_again() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let kairo = place.bare().backend(Arc::clone(&store)).start().await.unwrap();
        let runs = Journal::new();
        echo(&kairo, &runs).await;
        publish(&kairo, 1..=2).await;
        caught_up(&kairo).await;
        store.steer(NAME.to_owned(), Steer::Move { to: Position::START }).await.unwrap();
        publish(&kairo, [3]).await;
        runs.until(|runs| runs.ends_with(&[1, 2, 3])).await;
        caught_up(&kairo).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_runs_cannot_be_removed_and_mistakes_are_named() {
    on_each_store(async |place| {
        let (kairo, runs) = (place.start().await, Journal::new());
        echo(&kairo, &runs).await;
        let subscriptions = kairo.subscriptions();
        let error = subscriptions.remove(NAME).await.unwrap_err().to_string();
        assert_eq!(error, "subscription `steered` is run by this process");
        let error = subscriptions.pause("steerd").await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("did you mean `steered`?"), "{error}");
        let beyond = Position::at_sequence(9);
        let error = subscriptions.rewind(NAME, beyond).await.unwrap_err().to_string();
        assert!(error.ends_with("the log ends at 0-0-0"), "{error}");
        let error = subscriptions.skip(NAME, beyond).await.unwrap_err().to_string();
        assert_eq!(error, "there is no event at the position `0-0-9`");
        kairo.shutdown().await.unwrap();
    })
    .await;
}
