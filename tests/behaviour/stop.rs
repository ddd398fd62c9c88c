//! Stopping, cleanly and not, and what the next start makes of it.

use std::{
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use futures_util::FutureExt;
use kairo::{Error, Reason, backend, clock::Clock, delivery::Backend, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Gate, Journal, Place, Sample, eventually, letters, logged, midnight, on_each_store,
    passing, sample, soon,
};

/// A handler that notes each run and stays until the gate lets it go.
async fn held_up(kairo: &Kairo, runs: &Journal<u64>, gate: &Gate, concurrency: u32) {
    let (runs, gate) = (runs.clone(), gate.clone());
    let subscribe = kairo.subscribe::<Sample>("held-up").concurrency(concurrency);
    let handled = subscribe.handle(move |event| {
        runs.note(event.number);
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Echo::from(event.payload())
        }
    });
    handled.await.unwrap();
}

#[tokio::test]
async fn what_runs_is_finished_and_written_down_and_the_rest_is_untouched() {
    let place = Place::sqlite();
    let (runs, gate) = (Journal::new(), Gate::shut());
    let kairo = place.start().await;
    held_up(&kairo, &runs, &gate, 1).await;
    let all: Vec<_> = (1..=3).map(|number| sample(number, number)).collect();
    let _ = kairo.publish_all(all).await.unwrap();
    runs.at_least(1).await;
    let stopping = {
        let kairo = kairo.clone();
        tokio::spawn(async move { kairo.shutdown().await })
    };
    // A bus that stops takes no new subscription to its end, but what runs may still publish.
    tokio::task::yield_now().await;
    gate.let_one();
    soon(stopping).await.unwrap().unwrap();
    drop(kairo);
    assert_eq!(runs.all(), [1]);

    let kairo = place.start().await;
    assert_eq!(logged(&kairo, "echo.heard").await.len(), 1);
    gate.open();
    held_up(&kairo, &runs, &gate, 1).await;
    assert_eq!(runs.at_least(3).await, [1, 2, 3]);
    eventually(async || logged(&kairo, "echo.heard").await.len() == 3).await;
    assert!(letters(&kairo).await.is_empty());
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_retry_that_a_shutdown_interrupts_goes_on_with_its_attempts() {
    let place = Place::sqlite();
    let attempts = Journal::new();
    for life in 1..=2 {
        // In the first life time stands still, so the pause in place does not end by itself.
        let clock = if life == 1 { Clock::manual(midnight()) } else { Clock::system() };
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let note = attempts.clone();
        let subscribe = kairo.subscribe_any("counts", "sample.*");
        let policy = RetryPolicy::new(2).backoff(Duration::from_millis(10));
        let handled = subscribe.retry(policy).handle(move |_| {
            note.note(life);
            async { Err::<(), _>(Busy) }
        });
        handled.await.unwrap();
        if life == 1 {
            let _ = kairo.publish(sample("a", 1)).await.unwrap();
            attempts.at_least(1).await;
        } else {
            eventually(async || !letters(&kairo).await.is_empty()).await;
            let letter = letters(&kairo).await.remove(0);
            assert_eq!((letter.reason, letter.attempts), (Reason::Exhausted, 3));
        }
        soon(kairo.shutdown()).await.unwrap();
    }
    assert_eq!(attempts.all(), [1, 2, 2]);
}

/// What handlers that do not end share: what began, with its attempt, and what lets them end.
struct Endless {
    begun: Journal<(&'static str, u32)>,
    gate: Gate,
}

#[handler(event = "sample.taken", name = "waits", timeout = "1h")]
async fn waits(_sample: &Sample, attempt: Attempt, endless: State<Endless>) {
    endless.begun.note(("waits", attempt.get()));
    endless.gate.pass().await;
}

#[handler(event = "sample.taken", name = "sleeps", timeout = "1h")]
async fn sleeps(_sample: &Sample, attempt: Attempt, endless: State<Endless>) {
    endless.begun.note(("sleeps", attempt.get()));
    while !endless.gate.is_open() {
        Clock::system().sleep(Duration::from_millis(1)).await;
    }
}

#[handler(event = "sample.taken", name = "tries", timeout = "1h", retry(max = 3, backoff = "1ms"))]
async fn tries(_sample: &Sample, attempt: Attempt, endless: State<Endless>) -> Result<(), Busy> {
    endless.begun.note(("tries", attempt.get()));
    if attempt.get() < 3 {
        return Err(Busy);
    }
    endless.gate.pass().await;
    Ok(())
}

/// Shuts a bus down whose handlers do not end, exactly when their time is up.
async fn shut_down_at_the_limit(kairo: &Kairo, clock: &Clock) {
    let mut stopping = pin!(kairo.shutdown());
    for pause in [19, 1] {
        assert!(stopping.as_mut().now_or_never().is_none(), "they have 20 s");
        clock.advance(Duration::from_secs(pause));
    }
    soon(stopping).await.unwrap();
}

#[tokio::test]
async fn what_never_ends_is_given_back_by_a_shutdown_as_if_it_had_not_begun() {
    let (place, clock) = (Place::sqlite(), Clock::manual(midnight()));
    let (begun, gate) = (Journal::new(), Gate::shut());
    let start = async || {
        let endless = Endless { begun: begun.clone(), gate: gate.clone() };
        let builder = place.bare().only(waits).only(sleeps).only(tries).clock(clock.clone());
        builder.state(endless).start().await.unwrap()
    };
    let last_attempts = |begun: &[(&str, u32)]| {
        ["waits", "sleeps", "tries"].map(|name| {
            begun.iter().rev().find(|(its, _)| *its == name).map_or(0, |(_, attempt)| *attempt)
        })
    };
    // Oftener than the process could go away over an event before that is dead.
    for life in 1..=7 {
        let kairo = start().await;
        if life == 1 {
            let _ = kairo.publish(sample("a", 1)).await.unwrap();
        }
        let all_run = begun.until(|begun| last_attempts(begun) == [1, 1, 3]);
        passing(&clock, Duration::from_millis(1), all_run).await;
        shut_down_at_the_limit(&kairo, &clock).await;
        let runs = if life == 1 { 5 } else { 3 };
        assert_eq!(begun.take().len(), runs, "an attempt that was given back is made again");
    }
    gate.open();
    let kairo = start().await;
    let is_done = async || {
        let health = kairo.health().await.unwrap();
        health.subscriptions.iter().all(|it| it.running + it.parked == 0 && it.lag == 0)
    };
    passing(&clock, Duration::from_millis(1), eventually(is_done)).await;
    assert_eq!(last_attempts(&begun.all()), [1, 1, 3]);
    assert!(letters(&kairo).await.is_empty());
    passing(&clock, Duration::from_secs(1), kairo.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_holds_a_shutdown_up_no_longer_than_others() {
    let (place, clock, runs) = (Place::sqlite(), Clock::manual(midnight()), Journal::new());
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let start = async || {
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let (note, blocked) = (runs.clone(), Arc::clone(&blocked));
        let handled = kairo.subscribe::<Sample>("blocks").handle(move |event| {
            note.note(event.number);
            // It ends when nobody is left who could send.
            let _ = blocked.lock().unwrap().recv();
            async move { Echo::from(event.payload()) }
        });
        handled.await.unwrap();
        kairo
    };
    let kairo = start().await;
    let _ = kairo.publish(sample("a", 1)).await.unwrap();
    runs.at_least(1).await;
    passing(&clock, Duration::from_secs(1), kairo.shutdown()).await.unwrap();
    drop((unblock, kairo));
    let kairo = start().await;
    eventually(async || logged(&kairo, "echo.heard").await.len() == 1).await;
    assert_eq!(runs.all(), [1, 1]);
    assert!(letters(&kairo).await.is_empty());
    passing(&clock, Duration::from_secs(1), kairo.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_bus_can_be_started_again_after_its_shutdown() {
    let place = Place::sqlite();
    for version in 1..=3 {
        let kairo = place.bare().start().await.unwrap();
        let published = kairo.publish(sample("a", 0)).await.unwrap();
        assert_eq!(published.version(), Some(version));
        kairo.shutdown().await.unwrap();
        assert!(matches!(kairo.shutdown().await, Ok(()) | Err(Error::Closed)));
    }
}

#[tokio::test]
async fn while_a_bus_runs_its_file_has_one_owner() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let error = place.bare().start().await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    kairo.shutdown().await.unwrap();
}

/// A store that outlives its buses, as a server does.
async fn shared(place: &Place) -> Arc<dyn Backend> {
    backend::open(place.url(), &Clock::system()).await.unwrap()
}

#[tokio::test]
async fn what_was_in_flight_when_a_bus_was_dropped_is_handled_again() {
    on_each_store(async |place| {
        let store = shared(&place).await;
        let (runs, gate) = (Journal::new(), Gate::shut());
        let kairo = place.bare().backend(Arc::clone(&store)).start().await.unwrap();
        held_up(&kairo, &runs, &gate, 8).await;
        for number in 1..=3 {
            let _ = kairo.publish(sample(number, number)).await.unwrap();
        }
        runs.at_least(3).await;
        kairo.stop_at_once();
        drop(kairo);
        gate.open();
        let kairo = place.bare().backend(store).start().await.unwrap();
        held_up(&kairo, &runs, &gate, 8).await;
        assert_eq!(runs.at_least(6).await[3..], [1, 2, 3]);
        eventually(async || logged(&kairo, "echo.heard").await.len() == 3).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_an_unclean_stop_suspects_run_one_at_a_time() {
    on_each_store(async |place| {
        let store = shared(&place).await;
        let (runs, gate) = (Journal::new(), Gate::shut());
        let start = async || {
            let kairo = place.bare().backend(Arc::clone(&store)).start().await.unwrap();
            held_up(&kairo, &runs, &gate, 8).await;
            kairo
        };
        let kairo = start().await;
        for number in 1..=3 {
            let _ = kairo.publish(sample(number, number)).await.unwrap();
        }
        runs.at_least(3).await;
        kairo.stop_at_once();
        // Five more processes end while the first event is alone in flight.
        for flight in 1..=5 {
            drop(runs.take());
            let kairo = start().await;
            assert_eq!(runs.at_least(1).await, [1], "flight {flight}");
            kairo.stop_at_once();
        }
        drop(runs.take());
        gate.open();
        let kairo = start().await;
        assert_eq!(runs.at_least(2).await, [2, 3]);
        let letter = letters(&kairo).await.remove(0);
        assert_eq!(letter.reason, Reason::CrashLoop);
        assert_eq!(letter.error(), "the process went away 5 times while handling it");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_crash_loop_that_is_over_is_not_remembered() {
    let place = Place::sqlite();
    let (runs, gate) = (Journal::new(), Gate::shut());
    let kairo = place.start().await;
    held_up(&kairo, &runs, &gate, 8).await;
    let _ = kairo.publish(sample("a", 1)).await.unwrap();
    runs.at_least(1).await;
    drop(kairo);
    for flight in 1..=5 {
        let kairo = place.start().await;
        held_up(&kairo, &runs, &gate, 8).await;
        runs.at_least(1 + flight).await;
        drop(kairo);
    }
    gate.open();
    for _ in 0..2 {
        let kairo = place.start().await;
        held_up(&kairo, &runs, &gate, 8).await;
        eventually(async || !letters(&kairo).await.is_empty()).await;
        let next = kairo.publish(sample("a", 2)).await.unwrap();
        assert!(soon(next.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    }
    let kairo = place.start().await;
    assert_eq!(letters(&kairo).await.len(), 1, "{:?}", letters(&kairo).await);
    assert_eq!(runs.all(), [1, 1, 1, 1, 1, 1, 2, 2]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_ended_before_a_crash_is_not_lost_by_the_counting_of_the_next() {
    on_each_store(async |place| {
        let store = shared(&place).await;
        let (runs, gate) = (Journal::new(), Gate::shut());
        let start = async || {
            let kairo = place.bare().backend(Arc::clone(&store)).start().await.unwrap();
            let (note, pass) = (runs.clone(), gate.clone());
            let subscribe = kairo.subscribe::<Sample>("first-dies");
            let handled = subscribe.handle(move |event| {
                note.note(event.number);
                let pass = pass.clone();
                async move {
                    if event.number == 1 {
                        return Err(Failure::permanent("first"));
                    }
                    pass.pass().await;
                    Ok(())
                }
            });
            handled.await.unwrap();
            kairo
        };
        let kairo = start().await;
        let subscription = kairo.subscription("first-dies").unwrap();
        subscription.pause().await.unwrap();
        for number in 1..=2 {
            let _ = kairo.publish(sample(number, number)).await.unwrap();
        }
        kairo.stop_at_once();
        // The first event dies alone, and the process ends while the second is alone in flight.
        let kairo = start().await;
        kairo.subscription("first-dies").unwrap().resume().await.unwrap();
        runs.until(|runs| runs.contains(&2)).await;
        kairo.stop_at_once();
        gate.open();
        let kairo = start().await;
        runs.until(|runs| runs.iter().filter(|number| **number == 2).count() == 2).await;
        assert_eq!(letters(&kairo).await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
