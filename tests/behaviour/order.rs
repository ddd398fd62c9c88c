//! Order: by key within a subscription, whatever fails.

use std::time::Duration;

use futures_util::future::join_all;
use kairo::{Kairo, clock::Clock, prelude::*};
use kairo_tests::support::{
    Busy, Gate, Journal, Sample, letters, midnight, on_each_store, passing, sample, soon,
};

const KEYS: u64 = 8;
const EACH: u64 = 40;

/// Publishes from several tasks, each of which has keys of its own.
async fn publish_many(kairo: &Kairo) -> Vec<kairo::Published> {
    let writers = (0..KEYS).map(|key| {
        let kairo = kairo.clone();
        tokio::spawn(async move {
            let mut published = Vec::new();
            for number in 1..=EACH {
                published.push(kairo.publish(sample(key, number)).await.unwrap());
            }
            published
        })
    });
    join_all(writers).await.into_iter().flat_map(Result::unwrap).collect()
}

/// What a handler did, in the order in which it did it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Did {
    Begin(String, u64),
    End(String, u64),
}

/// Asserts that within each key every event began once those before it had their outcome.
#[track_caller]
fn assert_in_order(journal: &[Did]) {
    for key in 0..KEYS {
        let key = key.to_string();
        let of_key = journal.iter().filter_map(|did| match did {
            Did::Begin(its, number) if *its == key => Some((*number, true)),
            Did::End(its, number) if *its == key => Some((*number, false)),
            _ => None,
        });
        let expected = (1..=EACH).flat_map(|number| [(number, true), (number, false)]);
        assert!(of_key.eq(expected), "key {key}: {journal:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_key_are_handled_in_order_by_every_subscription() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let journals: Vec<Journal<Did>> = (0..4).map(|_| Journal::new()).collect();
        for (index, journal) in journals.iter().enumerate() {
            let journal = journal.clone();
            let subscribe = kairo.subscribe::<Sample>(format!("order-{index}"));
            let handled = subscribe.concurrency(3).handle(move |event| {
                let journal = journal.clone();
                async move {
                    journal.note(Did::Begin(event.key.clone(), event.number));
                    tokio::task::yield_now().await;
                    journal.note(Did::End(event.key.clone(), event.number));
                }
            });
            handled.await.unwrap();
        }
        for published in publish_many(&kairo).await {
            assert!(soon(published.settled()).await.unwrap().all_done());
        }
        for journal in journals {
            assert_in_order(&journal.all());
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// Fails every third event of a key until its last attempt, in place and with parked retries in
/// turn, and every seventh for good.
fn fate(number: u64, attempt: usize) -> Result<(), Failure> {
    match number {
        _ if number.is_multiple_of(7) => Err(Failure::permanent("seventh")),
        _ if number.is_multiple_of(3) && attempt <= 2 => Err(Failure::retryable(Busy)),
        _ => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_in_between_do_not_disturb_the_order_of_a_key() {
    on_each_store(async |place| {
        for pause in [Duration::from_millis(1), Duration::from_mins(1)] {
            let clock = Clock::manual(midnight());
            let kairo =
                place.start_with(|bare| bare.clock(clock.clone()).circuit_breaker(false)).await;
            let name = format!("fated-{pause:?}");
            let (journal, attempts) = (Journal::new(), Journal::new());
            let (did, tried) = (journal.clone(), attempts.clone());
            let subscribe = kairo.subscribe::<Sample>(name);
            subscribe
                .retry(RetryPolicy::new(2).backoff(pause))
                .handle(move |event| {
                    let (key, number) = (event.key.clone(), event.number);
                    tried.note((key.clone(), number));
                    let before =
                        tried.all().iter().filter(|it| **it == (key.clone(), number)).count();
                    if before == 1 {
                        did.note(Did::Begin(key.clone(), number));
                    }
                    let fate = fate(number, before);
                    if fate.is_ok() || number.is_multiple_of(7) {
                        did.note(Did::End(key, number));
                    }
                    async move { fate }
                })
                .await
                .unwrap();
            for published in publish_many(&kairo).await {
                let settled = published.settled();
                soon(passing(&clock, Duration::from_secs(30), settled)).await.unwrap();
            }
            assert_in_order(&journal.all());
            kairo.dead_letters().remove_all(LetterFilter::default()).await.unwrap();
            kairo.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_failing_key_holds_up_itself_and_nobody_else() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let done = Journal::new();
        let note = done.clone();
        kairo
            .subscribe::<Sample>("picky")
            .retry(RetryPolicy::new(1).backoff(Duration::from_mins(1)))
            .handle(move |event| {
                let fails = event.key == "bad";
                if !fails {
                    note.note(event.number);
                }
                async move { if fails { Err(Busy) } else { Ok(()) } }
            })
            .await
            .unwrap();
        let mut last = None;
        for number in 1..=10 {
            let _ = kairo.publish(sample("bad", number)).await.unwrap();
            last = Some(kairo.publish(sample("good", number)).await.unwrap());
        }
        assert!(soon(last.unwrap().settled()).await.unwrap().all_done());
        assert!(done.all().into_iter().eq(1..=10));
        let health = kairo.health().await.unwrap();
        let picky = health.subscriptions.iter().find(|it| it.name == "picky").unwrap();
        assert_eq!(picky.parked, 10);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_slow_handler_slows_no_other_key_and_no_other_subscription() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let gate = Gate::shut();
        let slow = gate.clone();
        kairo
            .subscribe::<Sample>("slow")
            .concurrency(2)
            .handle(move |event| {
                let slow = slow.clone();
                async move {
                    if event.key == "stuck" {
                        slow.pass().await;
                    }
                }
            })
            .await
            .unwrap();
        kairo.subscribe::<Sample>("quick").handle(async |_| {}).await.unwrap();
        let stuck = kairo.publish(sample("stuck", 1)).await.unwrap();
        for number in 0..100 {
            let published = kairo.publish(sample("free", number)).await.unwrap();
            assert!(soon(published.settled()).await.unwrap().all_done());
        }
        gate.open();
        assert!(soon(stuck.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unordered_events_of_a_key_overtake_each_other() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (gate, seen) = (Gate::shut(), Journal::new());
        let (pass, note) = (gate.clone(), seen.clone());
        kairo
            .subscribe::<Sample>("unordered")
            .unordered()
            .handle(move |event| {
                let (pass, note) = (pass.clone(), note.clone());
                async move {
                    if event.number == 1 {
                        pass.pass().await;
                    }
                    note.note(event.number);
                }
            })
            .await
            .unwrap();
        let first = kairo.publish(sample("a", 1)).await.unwrap();
        let second = kairo.publish(sample("a", 2)).await.unwrap();
        soon(second.settled()).await.unwrap();
        gate.open();
        soon(first.settled()).await.unwrap();
        assert_eq!(seen.all(), [2, 1]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_more_events_run_side_by_side_than_allowed() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (gate, began) = (Gate::shut(), Journal::new());
        let (pass, note) = (gate.clone(), began.clone());
        kairo
            .subscribe::<Sample>("three")
            .concurrency(3)
            .handle(move |event| {
                let (pass, note) = (pass.clone(), note.clone());
                async move {
                    note.note(event.number);
                    pass.pass().await;
                }
            })
            .await
            .unwrap();
        let all: Vec<_> = (0..9).map(|number| sample(number, number)).collect();
        let published = kairo.publish_all(all).await.unwrap();
        began.at_least(3).await;
        let health = kairo.health().await.unwrap();
        let three = health.subscriptions.iter().find(|it| it.name == "three").unwrap();
        assert_eq!((three.running, began.all().len()), (3, 3));
        gate.let_one();
        began.at_least(4).await;
        gate.open();
        assert!(soon(published.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_held_key_waits_until_its_letter_is_reprocessed_or_removed() {
    on_each_store(async |place| {
        for reprocessed in [true, false] {
            let kairo = place.start().await;
            let seen = Journal::new();
            let note = seen.clone();
            let subscribe = kairo.subscribe::<Sample>(format!("held-{reprocessed}"));
            subscribe
                .hold_key_on_dead()
                .handle(move |event| {
                    note.note(event.number);
                    let fails = note.all() == [1];
                    async move { if fails { Err(Failure::permanent("first")) } else { Ok(()) } }
                })
                .await
                .unwrap();
            let first = kairo.publish(sample("a", 1)).await.unwrap();
            let second = kairo.publish(sample("a", 2)).await.unwrap();
            let other = kairo.publish(sample("b", 3)).await.unwrap();
            soon(first.settled()).await.unwrap();
            soon(other.settled()).await.unwrap();
            assert_eq!(seen.all(), [1, 3]);
            let letter = letters(&kairo).await.remove(0);
            if reprocessed {
                let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
                assert!(soon(replayed.settled()).await.unwrap().all_done());
            } else {
                kairo.dead_letters().remove(letter.id).await.unwrap();
            }
            assert!(soon(second.settled()).await.unwrap().all_done());
            let expected: &[u64] = if reprocessed { &[1, 3, 1, 2] } else { &[1, 3, 2] };
            assert_eq!(seen.all(), expected);
            kairo.shutdown().await.unwrap();
        }
    })
    .await;
}
