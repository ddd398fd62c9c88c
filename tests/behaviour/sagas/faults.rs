//! Stores whose answers are lost: what took effect all the same is found again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kairo::{
    backend,
    clock::Clock,
    delivery::Backend,
    journal::SagaChange,
    prelude::*,
    saga::{Phase, SagaFilter},
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Gate, eventually, soon};

use super::trip::{Mishap, Trip, World, wish};

async fn store() -> Arc<dyn Backend> {
    backend::open("memory:", &Clock::system()).await.unwrap()
}

async fn travel_on(store: Arc<dyn Backend>, world: &World) -> Kairo {
    let bus = Kairo::builder().backend(store).without_handlers();
    bus.saga(Trip { world: world.clone() }).start().await.unwrap()
}

/// A store of which one call of a kind takes effect and fails.
fn losing(
    store: &Arc<dyn Backend>,
    is_meant: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static,
) -> Arc<FaultyStore> {
    let faulty = Arc::new(FaultyStore::new(Arc::clone(store)));
    let is_over = AtomicBool::new(false);
    faulty.fail_where(move |_, call| {
        (is_meant(&call) && !is_over.swap(true, Ordering::SeqCst)).then_some(When::After)
    });
    faulty
}

#[tokio::test]
async fn what_was_claimed_without_an_answer_is_carried_on() {
    let (store, world) = (store().await, World::default());
    world.mishap("hotel", Mishap::Wait(Gate::shut()), 1);
    let kairo = travel_on(Arc::clone(&store), &world).await;
    let id = kairo.saga_of::<Trip>().unwrap().start(wish()).await.unwrap();
    let _ = world.seen.at_least(2).await;
    kairo.stop_at_once();
    drop(kairo);
    let faulty = losing(&store, |call| matches!(call, Call::ClaimSagas));
    let kairo = travel_on(faulty.clone(), &world).await;
    let trips = kairo.saga_of::<Trip>().unwrap();
    assert!(soon(trips.outcome(id)).await.unwrap().is_completed());
    assert_eq!(faulty.faults(), 1);
    kairo.stop_at_once();
}

#[tokio::test]
async fn what_was_started_without_an_answer_goes_on() {
    let (store, world) = (store().await, World::default());
    let is_start = |call: &Call<'_>| {
        matches!(call, Call::Commit(unit) if unit.sagas.iter()
            .any(|change| matches!(change, SagaChange::Start(_))))
    };
    let faulty = losing(&store, is_start);
    let kairo = travel_on(faulty.clone(), &world).await;
    let trips = kairo.saga_of::<Trip>().unwrap().key("booking-9");
    let error = trips.start(wish()).await.unwrap_err();
    assert!(error.to_string().contains("after it happened"), "{error}");
    let ended = async || {
        let all = kairo.sagas().list(SagaFilter::default()).await.unwrap();
        all.len() == 1 && all[0].phase == Phase::Completed
    };
    eventually(ended).await;
    assert!(trips.execute(wish()).await.unwrap().is_completed());
    assert_eq!(world.seen.all(), ["flight", "hotel", "car"]);
    kairo.stop_at_once();
}

#[tokio::test]
async fn a_state_that_was_written_without_an_answer_is_not_written_again() {
    for nth in 1..=3 {
        let (store, world) = (store().await, World::default());
        let writes = std::sync::atomic::AtomicU32::new(0);
        let faulty = losing(&store, move |call| {
            let is_write = matches!(call, Call::Commit(unit) if unit.sagas.iter()
                .any(|change| matches!(change, SagaChange::Write(_))));
            is_write && writes.fetch_add(1, Ordering::SeqCst) + 1 == nth
        });
        let kairo = travel_on(faulty.clone(), &world).await;
        let trips = kairo.saga_of::<Trip>().unwrap();
        assert!(trips.execute(wish()).await.unwrap().is_completed());
        assert_eq!((faulty.faults(), world.seen.all().len()), (1, 3), "write {nth}");
        kairo.stop_at_once();
    }
}
