//! Ending sagas early: by hand, by their deadline, by the end of the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kairo::{
    Error, backend,
    clock::Clock,
    journal::SagaChange,
    saga::{Cause, Outcome, Phase},
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Gate, Place, eventually, logged, midnight, on_each_store, passing};

use super::trip::{Mishap, Trip, World, travel, wish};

#[tokio::test]
async fn a_cancelled_saga_lets_its_step_end_and_undoes_what_was_done() {
    on_each_store(async |place| {
        let (world, gate) = (World::default(), Gate::shut());
        world.mishap("hotel", Mishap::Wait(gate.clone()), 1);
        let (kairo, trips) = travel(&place, &world).await;
        let id = trips.start(wish()).await.unwrap();
        let _ = world.seen.at_least(2).await;
        trips.cancel(id).await.unwrap();
        trips.cancel(id).await.unwrap();
        assert!(trips.status(id).await.unwrap().cancelled);
        assert_eq!(world.seen.all(), ["flight", "hotel"]);
        gate.open();
        let outcome = trips.outcome(id).await.unwrap();
        let Outcome::Compensated { cause, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(cause, Cause::Cancelled);
        assert_eq!(world.seen.all(), ["flight", "hotel", "no_hotel", "no_flight"]);
        assert!(world.bookings().is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn cancelling_does_not_disturb_a_compensation() {
    on_each_store(async |place| {
        let (world, gate) = (World::default(), Gate::shut());
        world.mishap("car", Mishap::No, 1);
        world.mishap("no_hotel", Mishap::Wait(gate.clone()), 1);
        let (kairo, trips) = travel(&place, &world).await;
        let id = trips.start(wish()).await.unwrap();
        let _ = world.seen.at_least(4).await;
        trips.cancel(id).await.unwrap();
        gate.open();
        let outcome = trips.outcome(id).await.unwrap();
        let Outcome::Compensated { cause, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(cause, Cause::Failed);
        assert_eq!(world.seen.all(), ["flight", "hotel", "car", "no_hotel", "no_flight"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn cancelling_too_late_takes_nothing_from_what_the_bus_is_told() {
    on_each_store(async |place| {
        let (world, gate) = (World::default(), Gate::shut());
        world.mishap("car", Mishap::Wait(gate.clone()), 1);
        let (kairo, trips) = travel(&place, &world).await;
        let id = trips.start(wish()).await.unwrap();
        let _ = world.seen.at_least(3).await;
        trips.cancel(id).await.unwrap();
        gate.open();
        assert!(trips.outcome(id).await.unwrap().is_completed());
        assert_eq!(logged(&kairo, "saga.step.completed").await.len(), 3);
        assert_eq!(logged(&kairo, "saga.completed").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// The next write of a saga succeeds, and says that it has failed.
fn lose_next_answer(store: &FaultyStore) {
    let is_lost = AtomicBool::new(false);
    let is_write = |call: Call<'_>| match call {
        Call::Commit(unit) => unit.sagas.iter().any(|it| matches!(it, SagaChange::Write(_))),
        _ => false,
    };
    store.fail_where(move |_, call| {
        let is_next = is_write(call) && !is_lost.swap(true, Ordering::SeqCst);
        is_next.then_some(When::After)
    });
}

#[tokio::test]
async fn a_result_is_told_once_though_the_answer_is_lost_and_the_saga_cancelled() {
    on_each_store(async |place| {
        let (world, clock) = (World::default(), Clock::manual(midnight()));
        let inner = backend::open(place.url(), &clock).await.unwrap();
        let faulty = Arc::new(FaultyStore::new(inner));
        lose_next_answer(&faulty);
        let bus = place.bare().saga(Trip { world: world.clone() }).clock(clock.clone());
        let kairo = bus.backend(Arc::clone(&faulty) as _).start().await.unwrap();
        let trips = kairo.saga_of::<Trip>().unwrap();
        let id = trips.start(wish()).await.unwrap();
        // Time stands still, so whoever has lost the answer has not looked yet.
        eventually(async || faulty.faults() == 1).await;
        trips.cancel(id).await.unwrap();
        let outcome = passing(&clock, Duration::from_millis(10), trips.outcome(id)).await.unwrap();
        assert!(matches!(outcome, Outcome::Compensated { cause: Cause::Cancelled, .. }));
        assert_eq!(world.seen.all(), ["flight", "hotel", "no_hotel", "no_flight"]);
        assert_eq!(logged(&kairo, "saga.step.completed").await.len(), 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_unknown_saga_is_not_found() {
    on_each_store(async |place| {
        let (kairo, trips) = travel(&place, &World::default()).await;
        let id = Clock::system().new_id();
        for error in [
            trips.status(id).await.unwrap_err(),
            trips.cancel(id).await.unwrap_err(),
            trips.outcome(id).await.unwrap_err(),
            kairo.sagas().retry(id).await.unwrap_err(),
            kairo.sagas().get(id).await.unwrap_err(),
            kairo.sagas().cancel(id).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_saga_whose_time_is_up_is_undone() {
    on_each_store(async |place| {
        let (world, clock) = (World::default(), Clock::manual(midnight()));
        // The hotel is asked for half an hour at a time, and the trip has two.
        world.mishap("hotel", Mishap::Wait(Gate::shut()), 0);
        let trip = Trip { world: world.clone() };
        let start = |bare: kairo::bus::Builder| bare.saga(trip.clone()).clock(clock.clone());
        let kairo = place.start_with(start).await;
        let trips = kairo.saga_of::<Trip>().unwrap();
        let id = trips.start(wish()).await.unwrap();
        let _ = world.seen.at_least(2).await;
        clock.advance(Duration::from_hours(2));
        eventually(async || {
            clock.advance(Duration::from_mins(1));
            trips.status(id).await.unwrap().phase != Phase::Running
        })
        .await;
        let failure = trips.status(id).await.unwrap().failure.unwrap();
        assert_eq!(failure.cause, Cause::Deadline);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_lets_a_step_end_and_the_saga_goes_on_after_it() {
    let (place, world, gate) = (Place::sqlite(), World::default(), Gate::shut());
    world.mishap("hotel", Mishap::Wait(gate.clone()), 1);
    let (kairo, trips) = travel(&place, &world).await;
    let id = trips.start(wish()).await.unwrap();
    let _ = world.seen.at_least(2).await;
    let stopping = kairo.clone();
    let shutdown = tokio::spawn(async move { stopping.shutdown().await });
    gate.open();
    shutdown.await.unwrap().unwrap();
    assert_eq!(world.seen.all(), ["flight", "hotel"]);
    drop((kairo, trips));
    let (kairo, trips) = travel(&place, &world).await;
    assert!(trips.outcome(id).await.unwrap().is_completed());
    assert_eq!(world.seen.all(), ["flight", "hotel", "car"]);
    kairo.shutdown().await.unwrap();
}
