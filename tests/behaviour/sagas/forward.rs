//! Going forward: steps in their order, their outputs, their events, and keys of a start.

use futures_util::TryStreamExt;
use kairo::{
    prelude::*,
    saga::{Outcome, Phase, SagaFilter, Slot},
};
use kairo_tests::support::{Journal, eventually, logged, on_each_store};

use super::trip::{Car, Flight, Mishap, Trip, World, travel, wish};

#[tokio::test]
async fn every_step_runs_once_in_its_order_and_the_last_gives_the_output() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips) = travel(&place, &world).await;
        let car = trips.execute(wish()).await.unwrap().completed().unwrap();
        assert_eq!(car, Car("flight to Lisbon and hotel in Lisbon".to_owned()));
        assert_eq!(world.seen.all(), ["flight", "hotel", "car"]);
        assert_eq!(world.bookings(), ["car", "flight", "hotel"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_status_is_typed() {
    on_each_store(async |place| {
        let world = World::default();
        world.mishap("car", Mishap::No, 1);
        let (kairo, trips) = travel(&place, &world).await;
        let id = trips.start(wish()).await.unwrap();
        let _ = trips.outcome(id).await.unwrap();
        let status = trips.status(id).await.unwrap();
        assert_eq!((status.id, status.phase), (id, Phase::Compensated));
        assert_eq!(status.state.input, wish());
        assert!(matches!(status.state.flight, Slot::Undone(_)), "{status:?}");
        assert!(matches!(status.state.car, Slot::Failed(_)), "{status:?}");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_outputs_of_a_completed_saga_can_be_looked_up() {
    on_each_store(async |place| {
        let (kairo, trips) = travel(&place, &World::default()).await;
        let id = trips.start(wish()).await.unwrap();
        assert!(trips.outcome(id).await.unwrap().is_completed());
        let status = trips.status(id).await.unwrap();
        let Slot::Done(flight) = status.state.flight else { panic!("it is done") };
        assert_eq!(flight.output, Flight("flight to Lisbon".to_owned()));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_one_key_there_is_one_saga() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips) = travel(&place, &world).await;
        let trips = trips.key("booking-7");
        let first = trips.start(wish()).await.unwrap();
        assert_eq!(trips.start(wish()).await.unwrap(), first);
        assert!(trips.execute(wish()).await.unwrap().is_completed());
        assert_eq!(trips.start(wish()).await.unwrap(), first);
        assert_eq!(world.seen.all(), ["flight", "hotel", "car"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn many_who_start_under_a_key_get_one_saga() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, _) = travel(&place, &world).await;
        let starts = (0..16).map(|_| {
            let trips = kairo.saga_of::<Trip>().unwrap().key("booking-8");
            tokio::spawn(async move { trips.execute(wish()).await.unwrap().is_completed() })
        });
        for start in starts.collect::<Vec<_>>() {
            assert!(start.await.unwrap());
        }
        assert_eq!(world.seen.all(), ["flight", "hotel", "car"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_silent_service_is_asked_again_under_the_same_key() {
    on_each_store(async |place| {
        let world = World::default();
        world.mishap("hotel", Mishap::Lost, 2);
        let (kairo, trips) = travel(&place, &world).await;
        assert!(trips.execute(wish()).await.unwrap().is_completed());
        assert_eq!(world.seen.all(), ["flight", "hotel", "hotel", "hotel", "car"]);
        assert_eq!(world.bookings(), ["car", "flight", "hotel"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_saga_tells_of_its_life_on_the_bus() {
    on_each_store(async |place| {
        let (kairo, trips) = travel(&place, &World::default()).await;
        let id = trips.start(wish()).await.unwrap();
        let _ = trips.outcome(id).await.unwrap();
        eventually(async || !logged(&kairo, "saga.completed").await.is_empty()).await;
        let store = kairo.store();
        let told: Vec<_> = store.stream(format!("saga-{id}")).try_collect().await.unwrap();
        let names: Vec<_> = told.iter().map(|event| event.name().to_owned()).collect();
        let step = "saga.step.completed";
        assert_eq!(names, ["saga.started", step, step, step, "saga.completed"]);
        assert!(told.iter().all(|event| event.correlation() == id));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[event("letter.sent")]
struct ParcelSent {
    #[key]
    parcel: u64,
}

#[event("letter.insured")]
struct ParcelInsured {
    #[key]
    parcel: u64,
}

#[derive(Clone)]
struct Insurance {
    attempts: Journal<u32>,
}

#[saga("insurance", on = "letter.sent")]
impl Insurance {
    #[step(retry(max = 3, backoff = "1ms"), no_compensation = "an event has happened")]
    async fn insure(
        &self,
        parcel: &ParcelSent,
        bus: Publisher,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        let _ = bus.publish(ParcelInsured { parcel: parcel.parcel }).await?;
        self.attempts.note(attempt.get());
        if attempt.get() < 3 { Err(Failure::retryable("once more")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn an_event_starts_a_saga_once_and_a_step_publishes_once_however_often_it_runs() {
    on_each_store(async |place| {
        let insurance = Insurance { attempts: Journal::new() };
        let attempts = insurance.attempts.clone();
        let start =
            |bare: kairo::bus::Builder| bare.saga(insurance.clone()).only_module(module_path!());
        let kairo = place.start_with(start).await;
        let sent = kairo.publish(ParcelSent { parcel: 7 }).await.unwrap();
        assert_eq!(attempts.at_least(3).await, [1, 2, 3]);
        eventually(async || !logged(&kairo, "saga.completed").await.is_empty()).await;
        let filter = SagaFilter { saga: Some("insurance".to_owned()), ..SagaFilter::default() };
        let started = kairo.sagas().list(filter).await.unwrap();
        assert_eq!(started.len(), 1);
        assert_eq!(started[0].key, Some(sent.id().to_string()));
        let insured = logged(&kairo, "letter.insured").await;
        assert_eq!(insured.len(), 1);
        assert_eq!(insured[0].correlation(), sent.id());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn sagas_are_listed_by_kind_phase_and_time() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips) = travel(&place, &world).await;
        let good = trips.start(wish()).await.unwrap();
        assert!(trips.outcome(good).await.unwrap().is_completed());
        world.mishap("flight", Mishap::No, 1);
        let bad = trips.start(wish()).await.unwrap();
        assert!(matches!(trips.outcome(bad).await.unwrap(), Outcome::Compensated { .. }));
        let list = async |filter| {
            let found = kairo.sagas().list(filter).await.unwrap();
            found.into_iter().map(|saga| saga.id).collect::<Vec<_>>()
        };
        assert_eq!(list(SagaFilter::default()).await, [good, bad]);
        let phases = vec![Phase::Compensated];
        assert_eq!(list(SagaFilter { phases, ..SagaFilter::default() }).await, [bad]);
        let started = kairo.sagas().get(good).await.unwrap().started;
        let behind = SagaFilter { after: Some((started, good)), ..SagaFilter::default() };
        assert_eq!(list(behind).await, [bad]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
