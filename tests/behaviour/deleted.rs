//! Streams that are deleted while their events are on the way, or that others publish into.

use std::{sync::Arc, time::Duration};

use kairo::{
    Reason, StreamName, Version, backend,
    clock::Clock,
    delivery::Backend,
    prelude::*,
    store::{Removal, Unit},
};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, letters, logged, midnight, on_each_store,
    passing, sample, soon,
};

const MINUTE: Duration = Duration::from_mins(1);

async fn open(place: &Place, clock: &Clock) -> (Kairo, Arc<dyn Backend>) {
    let store = backend::open(place.url(), clock).await.unwrap();
    let bare = place.bare().clock(clock.clone()).backend(Arc::clone(&store));
    (bare.start().await.unwrap(), store)
}

async fn remove(store: &Arc<dyn Backend>, stream: &str, tombstone: bool) {
    let stream = StreamName::new(stream).unwrap();
    let removal = Removal { stream, expected: Version::Any, tombstone };
    store.commit(Unit { removals: vec![removal], ..Unit::default() }).await.unwrap();
}

/// The numbers of the echoes in the log.
async fn echoes(kairo: &Kairo) -> Vec<u64> {
    let echoes = logged(kairo, "echo.heard").await;
    echoes.iter().map(|echo| echo.decode::<Echo>().unwrap().number).collect()
}

#[tokio::test]
async fn a_parked_event_whose_stream_is_deleted_is_let_go() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let (kairo, store) = open(&place, &clock).await;
        let policy = RetryPolicy::new(9).backoff(MINUTE);
        let subscribe = kairo.subscribe::<Sample>("fails").retry(policy);
        let _fails = subscribe.handle(async |_| Err::<(), _>(Busy)).await.unwrap();
        let retried = kairo.publish(sample("a", 1)).await.unwrap();
        let behind = kairo.publish(sample("a", 2)).await.unwrap();
        soon(behind.handled()).await.unwrap();
        assert_eq!(store.subscriptions().await.unwrap()[0].parked, 2);
        remove(&store, "sample-a", false).await;
        for event in [retried, behind] {
            let outcomes = passing(&clock, MINUTE, event.settled()).await.unwrap();
            assert_eq!(outcomes.outcome("fails"), Some(Outcome::Dropped));
        }
        eventually(async || store.subscriptions().await.unwrap()[0].parked == 0).await;
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_outlives_the_stream_of_its_event() {
    on_each_store(async |place| {
        let (kairo, store) = open(&place, &Clock::system()).await;
        let seen = Journal::new();
        let handled = kairo.subscribe::<Sample>("once").handle({
            let seen = seen.clone();
            move |event| {
                seen.note(event.payload().clone());
                let first = seen.all().len() == 1;
                async move { if first { Err(Failure::permanent("no")) } else { Ok(()) } }
            }
        });
        handled.await.unwrap();
        soon(kairo.publish(sample("a", 1)).await.unwrap().settled()).await.unwrap();
        remove(&store, "sample-a", true).await;
        let letter = letters(&kairo).await.pop().unwrap();
        kairo.dead_letters().reprocess(letter.id).await.unwrap();
        assert_eq!(seen.at_least(2).await, [sample("a", 1), sample("a", 1)]);
        eventually(async || letters(&kairo).await.is_empty()).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_published_makes_a_letter_of_its_cause_alone() {
    on_each_store(async |place| {
        let (kairo, store) = open(&place, &Clock::system()).await;
        remove(&store, "echo-closed", true).await;
        let echo = kairo.subscribe::<Sample>("echoes");
        echo.handle(async |event| Echo::from(event.payload())).await.unwrap();
        let keys = ["a", "closed", "b", "closed", "a"];
        let mut published = Vec::new();
        for (number, key) in (1..).zip(keys) {
            published.push((key, kairo.publish(sample(key, number)).await.unwrap()));
        }
        for (key, event) in published {
            let outcomes = soon(event.settled()).await.unwrap();
            let is_dead = matches!(outcomes.outcome("echoes"), Some(Outcome::Dead { .. }));
            assert_eq!(is_dead, key == "closed");
        }
        assert_eq!(sorted(echoes(&kairo).await), [1, 3, 5]);
        let dead = letters(&kairo).await;
        assert_eq!(dead.len(), 2);
        for letter in dead {
            assert_eq!((letter.reason, letter.attempts), (Reason::Permanent, 1));
            assert!(letter.error().contains("`echo-closed` has been deleted"), "{letter:?}");
        }
        assert_eq!(logged(&kairo, "kairo.dead-letter.created").await.len(), 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_whose_effects_cannot_be_published_stays_a_letter() {
    on_each_store(async |place| {
        let (kairo, store) = open(&place, &Clock::system()).await;
        remove(&store, "echo-closed", true).await;
        let echo = kairo.subscribe::<Sample>("echoes");
        echo.handle(async |event| Echo::from(event.payload())).await.unwrap();
        soon(kairo.publish(sample("closed", 1)).await.unwrap().settled()).await.unwrap();
        let letter = letters(&kairo).await.pop().unwrap();
        kairo.dead_letters().reprocess(letter.id).await.unwrap();
        eventually(async || {
            let again = letters(&kairo).await.pop().unwrap();
            again.replays == 1 && again.state == kairo::delivery::LetterState::Dead
        })
        .await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn with_dead_letters_off_what_cannot_be_published_is_dropped() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let bare = place.bare().dead_letters(false).backend(Arc::clone(&store));
        let kairo = bare.start().await.unwrap();
        remove(&store, "echo-closed", true).await;
        let echo = kairo.subscribe::<Sample>("echoes");
        echo.handle(async |event| Echo::from(event.payload())).await.unwrap();
        let published = kairo.publish(sample("closed", 1)).await.unwrap();
        let outcomes = soon(published.settled()).await.unwrap();
        assert_eq!(outcomes.outcome("echoes"), Some(Outcome::Dropped));
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_publishes_into_a_closed_stream_fails_for_good() {
    on_each_store(async |place| {
        let (kairo, store) = open(&place, &Clock::system()).await;
        remove(&store, "echo-a", true).await;
        let publisher = kairo.publisher();
        let handled = kairo.subscribe::<Sample>("publishes").handle(move |event| {
            let publisher = publisher.clone();
            async move {
                publisher.publish(Echo::from(event.payload())).await?;
                Ok::<(), Failure>(())
            }
        });
        handled.await.unwrap();
        soon(kairo.publish(sample("a", 1)).await.unwrap().settled()).await.unwrap();
        let letter = letters(&kairo).await.pop().unwrap();
        assert_eq!((letter.reason, letter.attempts), (Reason::Permanent, 1));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_delayed_event_of_a_closed_stream_holds_up_no_other() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let (kairo, store) = open(&place, &clock).await;
        for (key, number) in [("closed", 1), ("a", 2)] {
            let _ = kairo.publish(sample(key, number)).delay(MINUTE).await.unwrap();
        }
        remove(&store, "sample-closed", true).await;
        clock.advance(MINUTE);
        eventually(async || !logged(&kairo, "sample.taken").await.is_empty()).await;
        eventually(async || store.next_due().await.unwrap().is_none()).await;
        let entered = logged(&kairo, "sample.taken").await;
        assert_eq!(entered.len(), 1);
        assert_eq!(entered[0].decode::<Sample>().unwrap(), sample("a", 2));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}
