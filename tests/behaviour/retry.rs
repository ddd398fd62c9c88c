//! Retries: how often, after which pauses, across restarts, and the circuit breaker.

use std::time::Duration;

use kairo::{
    Error, Reason,
    bus::Condition,
    clock::{Clock, Timestamp},
    prelude::*,
};
use kairo_tests::support::{
    Busy, Echo, Gate, Journal, Place, Sample, eventually, letters, logged, midnight, on_each_store,
    passing, sample, soon,
};

const SECOND: Duration = Duration::from_secs(1);

/// The pauses between the attempts that a policy makes of an event that always fails, in steps of
/// `step`, and the letter that it ends as.
async fn walk(
    place: &Place,
    policy: RetryPolicy,
    step: Duration,
) -> (Vec<Duration>, Option<DeadLetter>) {
    let clock = Clock::manual(midnight());
    let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
    let times = Journal::new();
    fail_always(&kairo, policy, &clock, &times).await;
    let published = kairo.publish(sample("a", 1)).await.unwrap();
    passing(&clock, step, published.settled()).await.unwrap();
    let letter = letters(&kairo).await.pop();
    kairo.shutdown().await.unwrap();
    (pauses(&times.all()), letter)
}

async fn fail_always(
    kairo: &Kairo,
    policy: RetryPolicy,
    clock: &Clock,
    times: &Journal<Timestamp>,
) {
    let (clock, times) = (clock.clone(), times.clone());
    let subscribe = kairo.subscribe::<Sample>("fails").retry(policy);
    let handled = subscribe.handle(move |_| {
        times.note(clock.now());
        async { Err::<(), _>(Busy) }
    });
    handled.await.unwrap();
}

fn pauses(times: &[Timestamp]) -> Vec<Duration> {
    let pairs = times.windows(2);
    pairs.map(|pair| Duration::try_from(pair[1] - pair[0]).unwrap()).collect()
}

/// No attempt is early, and none is later than `late`: in memory, since the manual clock goes on while
/// another store waits for its disk.
#[track_caller]
fn assert_pauses(place: &Place, pauses: &[Duration], expected: &[Duration], late: Duration) {
    let late = if place.is_in_memory() { late } else { Duration::MAX };
    let fit = |(pause, wanted): (&Duration, &Duration)| {
        (*wanted..=wanted.saturating_add(late)).contains(pause)
    };
    let all = pauses.len() == expected.len() && pauses.iter().zip(expected).all(fit);
    assert!(all, "{pauses:?}, expected {expected:?}");
}

#[tokio::test]
async fn retries_within_a_second_are_made_in_place() {
    on_each_store(async |place| {
        let policy = RetryPolicy::new(3);
        let step = Duration::from_millis(10);
        let (pauses, letter) = walk(&place, policy, step).await;
        let expected = [50, 200, 1_000].map(Duration::from_millis);
        assert_pauses(&place, &pauses, &expected, 10 * step);
        let letter = letter.unwrap();
        assert_eq!((letter.reason, letter.attempts), (Reason::Exhausted, 4));
        assert_eq!(letter.failures.len(), 4);
        assert_eq!(letter.error(), "busy");
    })
    .await;
}

#[tokio::test]
async fn the_default_gives_up_after_nine_attempts_and_keeps_the_last_five() {
    on_each_store(async |place| {
        let step = Duration::from_secs(5);
        let (pauses, letter) = walk(&place, RetryPolicy::DEFAULT, step).await;
        assert_eq!(pauses.len(), 8);
        let persisted = [5, 30, 120, 600, 3_600].map(Duration::from_secs);
        assert_pauses(&place, &pauses[3..], &persisted, 2 * step);
        let letter = letter.unwrap();
        assert_eq!((letter.reason, letter.attempts), (Reason::Exhausted, 9));
        let kept: Vec<u32> = letter.failures.iter().map(|failed| failed.attempt).collect();
        assert_eq!(kept, [5, 6, 7, 8, 9]);
    })
    .await;
}

#[tokio::test]
async fn five_retries_make_six_attempts_with_doubling_pauses() {
    on_each_store(async |place| {
        let policy = RetryPolicy::new(5).backoff(2 * SECOND).exponential().jitter();
        let (pauses, letter) = walk(&place, policy, SECOND).await;
        let expected = [2, 4, 8, 16, 32].map(Duration::from_secs);
        assert_pauses(&place, &pauses, &expected, SECOND);
        assert_eq!(letter.unwrap().attempts, 6);
    })
    .await;
}

#[tokio::test]
async fn the_due_time_and_the_attempts_survive_a_restart() {
    let place = Place::sqlite();
    let policy = RetryPolicy::new(3).backoff(60 * SECOND);
    let (clock, times) = (Clock::manual(midnight()), Journal::new());
    for life in 1..=4 {
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        fail_always(&kairo, policy, &clock, &times).await;
        if life == 1 {
            let published = kairo.publish(sample("a", 1)).await.unwrap();
            soon(published.handled()).await.unwrap();
        } else {
            clock.advance(59 * SECOND);
            kairo
                .publish(Echo { key: "x".into(), number: 0 })
                .await
                .unwrap()
                .handled()
                .await
                .unwrap();
            assert_eq!(times.all().len(), life - 1, "not before its time");
            clock.advance(SECOND);
            times.at_least(life).await;
        }
        // An odd life ends cleanly, an even one does not.
        if life % 2 == 1 {
            kairo.shutdown().await.unwrap();
        } else {
            settle_down(&kairo, life).await;
        }
    }
    let kairo = place.start().await;
    let letter = letters(&kairo).await.remove(0);
    assert_eq!((letter.reason, letter.attempts), (Reason::Exhausted, 4));
    assert_eq!(pauses(&times.all()), [60 * SECOND; 3]);
}

/// Waits until the attempt of this life is written down.
async fn settle_down(kairo: &Kairo, life: usize) {
    eventually(async || {
        let health = kairo.health().await.unwrap();
        let fails = health.subscriptions.iter().find(|it| it.name == "fails").unwrap();
        if life == 4 { fails.letters == 1 } else { fails.running == 0 && fails.parked == 1 }
    })
    .await;
}

#[tokio::test]
async fn a_conflict_is_tried_again_without_counting() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let attempts = Journal::new();
        let (note, bus) = (attempts.clone(), kairo.publisher());
        kairo
            .subscribe::<Sample>("collides")
            .retry(RetryPolicy::new(0))
            .handle(move |event| {
                note.note(());
                let (bus, version) = (bus.clone(), note.all().len() as u64);
                async move {
                    // Somebody else is faster, until the fifth time.
                    let expected = if version < 5 { Version::At(99) } else { Version::NoStream };
                    let _ = bus.publish(Echo::from(event.payload())).expect(expected).await?;
                    Ok::<_, Error>(())
                }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(attempts.all().len(), 5);
        assert_eq!(logged(&kairo, "echo.heard").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_endless_conflict_ends_as_any_other_failure() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (attempts, bus) = (Journal::new(), kairo.publisher());
        let note = attempts.clone();
        kairo
            .subscribe::<Sample>("collides")
            .retry(RetryPolicy::new(0))
            .handle(move |event| {
                note.note(());
                let bus = bus.clone();
                async move {
                    let echo = Echo::from(event.payload());
                    bus.publish(echo).expect(Version::At(99)).await.map(drop)
                }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        soon(published.settled()).await.unwrap();
        let letter = letters(&kairo).await.remove(0);
        assert_eq!((letter.reason, letter.attempts), (Reason::Exhausted, 1));
        assert_eq!(attempts.all().len(), 11);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_builders_retries_count_where_a_handler_states_none() {
    on_each_store(async |place| {
        let kairo = place.start_with(|bare| bare.max_retries(1).dead_letters(false)).await;
        let attempts = Journal::new();
        let note = attempts.clone();
        kairo
            .subscribe::<Sample>("fails")
            .handle(move |_| {
                note.note(());
                async { Err::<(), _>(Busy) }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        let outcome = soon(published.settled()).await.unwrap().outcome("fails");
        assert_eq!(outcome, Some(Outcome::Dropped));
        assert_eq!(attempts.all().len(), 2);
        assert!(letters(&kairo).await.is_empty());
        let next = kairo.publish(sample("a", 2)).await.unwrap();
        soon(next.settled()).await.unwrap();
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// A service that is down until it is mended, and how often it was asked.
#[derive(Clone)]
struct Service {
    asked: Journal<Timestamp>,
    mended: Gate,
}

#[tokio::test]
async fn a_circuit_opens_tries_one_and_closes() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let service = Service { asked: Journal::new(), mended: Gate::shut() };
        let (called, now) = (service.clone(), clock.clone());
        kairo
            .subscribe::<Sample>("down")
            .retry(RetryPolicy::new(9).backoff(10 * SECOND))
            .concurrency(4)
            .handle(move |_| {
                called.asked.note(now.now());
                let is_up = called.mended.is_open();
                async move { if is_up { Ok(()) } else { Err(Busy) } }
            })
            .await
            .unwrap();
        let all: Vec<_> = (0..40).map(|number| sample(number, number)).collect();
        let published = kairo.publish_all(all).await.unwrap();
        let opened = service.asked.at_least(20).await.len();
        let condition = async || {
            let health = kairo.health().await.unwrap();
            health.subscriptions.into_iter().find(|it| it.name == "down").unwrap().condition
        };
        eventually(async || matches!(condition().await, Condition::CircuitOpen { .. })).await;
        assert!(opened < 25, "the attempts of {opened} events were burned");
        clock.advance(29 * SECOND);
        assert!(matches!(condition().await, Condition::CircuitOpen { .. }));
        let before = service.asked.all().len();
        clock.advance(SECOND);
        assert_eq!(service.asked.at_least(before + 1).await.len(), before + 1, "one trial");
        service.mended.open();
        assert!(passing(&clock, SECOND, published.settled()).await.unwrap().all_done());
        assert_eq!(condition().await, Condition::Running);
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn permanent_failures_open_no_circuit() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo
            .subscribe::<Sample>("refuses")
            .handle(async |_| Err::<(), _>(Failure::permanent("no")))
            .await
            .unwrap();
        let all: Vec<_> = (0..60).map(|number| sample(number, number)).collect();
        let published = kairo.publish_all(all).await.unwrap();
        soon(published.settled()).await.unwrap();
        assert_eq!(letters(&kairo).await.len(), 60);
        assert!(kairo.health().await.unwrap().is_good());
        kairo.shutdown().await.unwrap();
    })
    .await;
}
