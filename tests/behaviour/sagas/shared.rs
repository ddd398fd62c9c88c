//! Many processes on one store: any of them carries a saga on, and one at a time.

use std::{sync::Arc, time::Duration};

use kairo::{
    backend,
    clock::Clock,
    delivery::Backend,
    prelude::*,
    saga::{Outcome, SagaRef},
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Gate, midnight, passing};

use super::trip::{Mishap, Trip, World, wish};

/// How fast time passes while something is waited for.
const STEP: Duration = Duration::from_millis(200);

/// A store that several buses share.
struct Cluster {
    clock: Clock,
    store: Arc<dyn Backend>,
    world: World,
}

impl Cluster {
    async fn new() -> Self {
        let clock = Clock::manual(midnight());
        let store = backend::open("memory:?shared=true", &clock).await.unwrap();
        Self { clock, store, world: World::default() }
    }

    /// A bus that runs trips.
    async fn node(&self) -> (Kairo, SagaRef<Trip>) {
        let store = Arc::new(FaultyStore::new(Arc::clone(&self.store)));
        // A process that goes closes its own connections, not the server.
        store.fail_where(|_, call| matches!(call, Call::Close).then_some(When::Before));
        let bus = Kairo::builder().without_handlers().backend(store).clock(self.clock.clone());
        let kairo = bus.saga(Trip { world: self.world.clone() }).start().await.unwrap();
        let trips = kairo.saga_of::<Trip>().unwrap();
        (kairo, trips)
    }

    /// What the future brings, while time passes.
    async fn passing<F: Future>(&self, future: F) -> F::Output {
        passing(&self.clock, STEP, future).await
    }
}

#[tokio::test]
async fn another_process_carries_on_what_a_dead_one_has_begun() {
    let cluster = Cluster::new().await;
    cluster.world.mishap("hotel", Mishap::Wait(Gate::shut()), 1);
    let (first, trips) = cluster.node().await;
    let (_second, others) = cluster.node().await;
    let id = trips.start(wish()).await.unwrap();
    let _ = cluster.world.seen.at_least(2).await;
    first.stop_at_once();
    let outcome = cluster.passing(others.outcome(id)).await.unwrap();
    assert!(outcome.is_completed());
    assert_eq!(cluster.world.seen.all(), ["flight", "hotel", "hotel", "car"]);
}

#[tokio::test]
async fn a_process_that_lost_its_lease_records_nothing_any_more() {
    let cluster = Cluster::new().await;
    let gate = Gate::shut();
    cluster.world.mishap("hotel", Mishap::Wait(gate.clone()), 1);
    let (_first, trips) = cluster.node().await;
    let id = trips.start(wish()).await.unwrap();
    let _ = cluster.world.seen.at_least(2).await;
    // Somebody else takes it over, as if the first one had been paused for longer than its lease.
    let owner = cluster.clock.new_id();
    let late = cluster.clock.now() + Duration::from_hours(1);
    let names = ["trip".to_owned()];
    let member = cluster.store.saga(id).await.unwrap().unwrap().owner.unwrap();
    cluster.store.leave(member).await.unwrap();
    let taken = cluster.store.claim_sagas(owner, &names, late, 10).await.unwrap();
    assert_eq!((taken.len(), taken[0].epoch), (1, 2));
    gate.open();
    cluster
        .passing(kairo_tests::support::eventually(async || {
            cluster.world.bookings().contains(&"hotel")
        }))
        .await;
    let row = cluster.store.saga(id).await.unwrap().unwrap();
    assert_eq!((row.owner, row.epoch, row.revision), (Some(owner), 2, taken[0].revision));
}

#[tokio::test]
async fn a_saga_can_be_cancelled_and_waited_for_in_another_process() {
    let cluster = Cluster::new().await;
    let gate = Gate::shut();
    cluster.world.mishap("hotel", Mishap::Wait(gate.clone()), 1);
    let (_first, trips) = cluster.node().await;
    let (_second, others) = cluster.node().await;
    let id = trips.start(wish()).await.unwrap();
    let _ = cluster.world.seen.at_least(2).await;
    others.cancel(id).await.unwrap();
    gate.open();
    let outcome = cluster.passing(others.outcome(id)).await.unwrap();
    assert!(matches!(outcome, Outcome::Compensated { .. }));
    assert_eq!(cluster.world.seen.all(), ["flight", "hotel", "no_hotel", "no_flight"]);
}

#[tokio::test]
async fn of_one_key_there_is_one_saga_whoever_starts_it() {
    let cluster = Cluster::new().await;
    let (_first, trips) = cluster.node().await;
    let (_second, others) = cluster.node().await;
    let (trips, others) = (trips.key("booking"), others.key("booking"));
    let both = async { tokio::join!(trips.execute(wish()), others.execute(wish())) };
    let (one, other) = Box::pin(cluster.passing(both)).await;
    assert!(one.unwrap().is_completed() && other.unwrap().is_completed());
    assert_eq!(cluster.world.seen.all(), ["flight", "hotel", "car"]);
}
