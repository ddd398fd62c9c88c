//! Reprocessing dead letters: one, edited, in bulk, across restarts.

use std::time::Duration;

use kairo::{Error, Reason, clock::Clock, delivery::LetterState, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Gate, Journal, Place, Sample, dies_at_first, eventually, letters, logged, midnight,
    on_each_store, passing, sample, soon,
};

/// A handler that fails while its cause is not mended, and what it has seen.
#[derive(Clone)]
struct Sick {
    seen: Journal<(String, u64)>,
    mended: Gate,
}

impl Sick {
    async fn start(kairo: &Kairo, policy: RetryPolicy) -> Self {
        let sick = Self { seen: Journal::new(), mended: Gate::shut() };
        sick.clone().subscribe(kairo, policy).await;
        sick
    }

    async fn subscribe(self, kairo: &Kairo, policy: RetryPolicy) {
        let subscribe = kairo.subscribe::<Sample>("sick").retry(policy);
        let handled = subscribe.handle(move |event| {
            self.seen.note((event.key.clone(), event.number));
            let is_well = self.mended.is_open();
            async move { if is_well { Ok(Echo::from(event.payload())) } else { Err(Busy) } }
        });
        handled.await.unwrap();
    }
}

async fn die(kairo: &Kairo, key: &str, number: u64) -> DeadLetter {
    let published = kairo.publish(sample(key, number)).await.unwrap();
    let handled = soon(published.settled()).await.unwrap();
    let Some(Outcome::Dead { letter }) = handled.outcome("sick") else {
        panic!("it is dead: {handled:?}")
    };
    kairo.dead_letters().get(letter).await.unwrap()
}

#[tokio::test]
async fn a_success_removes_the_letter_and_publishes_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let sick = Sick::start(&kairo, RetryPolicy::new(0)).await;
        let letter = die(&kairo, "a", 1).await;
        sick.mended.open();
        let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
        assert_eq!(replayed.id(), letter.id);
        assert!(soon(replayed.settled()).await.unwrap().all_done());
        assert!(letters(&kairo).await.is_empty());
        assert_eq!(logged(&kairo, "echo.heard").await[0].causation(), Some(letter.event().id()));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_failure_comes_back_to_the_same_letter() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _sick = Sick::start(&kairo, RetryPolicy::new(1)).await;
        let first = die(&kairo, "a", 1).await;
        for replays in 1..=3 {
            let replayed = kairo.dead_letters().reprocess(first.id).await.unwrap();
            let outcome = soon(replayed.settled()).await.unwrap().outcome("sick");
            assert_eq!(outcome, Some(Outcome::Dead { letter: first.id }));
            let letter = letters(&kairo).await.remove(0);
            assert_eq!((letter.id, letter.replays), (first.id, replays));
            assert_eq!((letter.attempts, letter.state), (2, LetterState::Dead));
            assert!(first.last_failed <= letter.last_failed);
            assert_eq!(letter.first_failed, first.first_failed);
        }
        assert_eq!(letters(&kairo).await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_reprocessed_letter_uses_its_retries_up() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let pause = Duration::from_mins(1);
        let sick = Sick::start(&kairo, RetryPolicy::new(2).backoff(pause)).await;
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        passing(&clock, Duration::from_secs(10), published.settled()).await.unwrap();
        let letter = letters(&kairo).await.remove(0);
        let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
        let first = soon(replayed.handled()).await.unwrap().outcome("sick");
        assert!(matches!(first, Some(Outcome::Retrying { .. })), "{first:?}");
        let settled = passing(&clock, Duration::from_secs(10), replayed.settled()).await.unwrap();
        assert_eq!(settled.outcome("sick"), Some(Outcome::Dead { letter: letter.id }));
        assert_eq!(sick.seen.all().len(), 6);
        let letter = letters(&kairo).await.remove(0);
        assert_eq!((letter.attempts, letter.failures.len()), (3, 5));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_edited_payload_is_delivered_and_the_original_kept() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let sick = Sick::start(&kairo, RetryPolicy::new(0)).await;
        let letter = die(&kairo, "a", 1).await;
        let queue = kairo.dead_letters();
        let wrong = serde_json::json!({ "key": "a" });
        let error = queue.reprocess_with(letter.id, wrong).await.unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error}");
        let edited = serde_json::json!({ "key": "a", "number": 9 });
        let replayed = queue.reprocess_with(letter.id, edited.clone()).await.unwrap();
        soon(replayed.settled()).await.unwrap();
        let failed = letters(&kairo).await.remove(0);
        assert_eq!(failed.edited, Some(edited));
        assert_eq!(failed.event().decode::<Sample>().unwrap(), sample("a", 1));
        sick.mended.open();
        let again = queue.reprocess(letter.id).await.unwrap();
        assert!(soon(again.settled()).await.unwrap().all_done());
        let numbers: Vec<_> = sick.seen.all().into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, [1, 9, 9]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_is_reprocessed_by_one_at_a_time() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let gate = Gate::shut();
        let runs = dies_at_first(&kairo, "sick", &gate).await;
        let letter = die(&kairo, "a", 1).await;
        let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
        runs.at_least(2).await;
        let error = kairo.dead_letters().reprocess(letter.id).await.unwrap_err();
        assert_eq!(error.to_string(), format!("dead letter `{}` is being reprocessed", letter.id));
        gate.open();
        assert!(soon(replayed.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_is_removed_while_it_runs_stays_removed() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let gate = Gate::shut();
        let runs = dies_at_first(&kairo, "sick", &gate).await;
        let letter = die(&kairo, "a", 1).await;
        let _ = kairo.dead_letters().reprocess(letter.id).await.unwrap();
        runs.at_least(2).await;
        kairo.dead_letters().remove(letter.id).await.unwrap();
        gate.open();
        eventually(async || logged(&kairo, "echo.heard").await.len() == 1).await;
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn bulk_reprocessing_keeps_the_order_within_a_key() {
    on_each_store(async |place| {
        let kairo = place.start_with(|bare| bare.circuit_breaker(false)).await;
        let sick = Sick::start(&kairo, RetryPolicy::new(0)).await;
        for number in 1..=30 {
            for key in ["a", "b", "c"] {
                die(&kairo, key, number).await;
            }
        }
        sick.mended.open();
        let _ = sick.seen.take();
        let filter = LetterFilter { reason: Some(Reason::Exhausted), ..Default::default() };
        assert_eq!(kairo.dead_letters().reprocess_all(filter).await.unwrap(), 90);
        for key in ["a", "b", "c"] {
            let of_key = sick.seen.all().into_iter().filter(|(its, _)| its == key);
            assert!(of_key.map(|(_, number)| number).eq(1..=30), "key {key}");
        }
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn bulk_verbs_touch_what_is_dead_at_that_moment_and_no_more_than_asked() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _sick = Sick::start(&kairo, RetryPolicy::new(0)).await;
        for number in 1..=5 {
            die(&kairo, "a", number).await;
        }
        // All of them fail again, and what fails again is not taken a second time.
        let all = LetterFilter::default();
        assert_eq!(kairo.dead_letters().reprocess_all(all.clone()).await.unwrap(), 5);
        eventually(async || {
            letters(&kairo)
                .await
                .iter()
                .all(|letter| letter.replays == 1 && letter.state == LetterState::Dead)
        })
        .await;
        let two = LetterFilter { limit: Some(2), ..Default::default() };
        assert_eq!(kairo.dead_letters().remove_all(two).await.unwrap(), 2);
        assert_eq!(letters(&kairo).await.len(), 3);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_survives_a_restart_dead_or_waiting_for_its_next_attempt() {
    let place = Place::sqlite();
    let clock = Clock::manual(midnight());
    let policy = RetryPolicy::new(1).backoff(Duration::from_mins(1));
    let start = async || place.start_with(|bare| bare.clock(clock.clone())).await;

    let kairo = start().await;
    let sick = Sick::start(&kairo, policy).await;
    let published = kairo.publish(sample("a", 1)).await.unwrap();
    passing(&clock, Duration::from_secs(10), published.settled()).await.unwrap();
    kairo.shutdown().await.unwrap();

    let kairo = start().await;
    sick.clone().subscribe(&kairo, policy).await;
    let letter = letters(&kairo).await.remove(0);
    assert_eq!(letter.state, LetterState::Dead);
    assert_eq!(sick.seen.all().len(), 2, "a dead event is not delivered again by itself");
    let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
    soon(replayed.handled()).await.unwrap();
    drop((replayed, kairo));

    let kairo = start().await;
    sick.clone().subscribe(&kairo, policy).await;
    let waiting = letters(&kairo).await.remove(0);
    assert!(matches!(waiting.state, LetterState::Replaying { .. }), "{:?}", waiting.state);
    assert_eq!((waiting.attempts, sick.seen.all().len()), (1, 3));
    sick.mended.open();
    passing(&clock, Duration::from_secs(10), async {
        sick.seen.at_least(4).await;
        eventually(async || letters(&kairo).await.is_empty()).await;
    })
    .await;
    assert_eq!(logged(&kairo, "echo.heard").await.len(), 1);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_letter_of_a_subscription_that_does_not_run_here_says_so() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let _sick = Sick::start(&kairo, RetryPolicy::new(0)).await;
    let letter = die(&kairo, "a", 1).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let kairo = place.start().await;
    let error = kairo.dead_letters().reprocess(letter.id).await.unwrap_err();
    assert!(matches!(error, Error::WrongState(_)), "{error}");
    assert_eq!(kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap(), 0);
    assert_eq!(letters(&kairo).await[0].state, LetterState::Dead);
    kairo.shutdown().await.unwrap();
}
