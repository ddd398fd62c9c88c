//! What survives the end of a process: everything that was written down.

use std::time::Duration;

use kairo::{
    bus::Builder,
    clock::Clock,
    prelude::*,
    saga::{Outcome, Phase, Saga},
};
use kairo_tests::support::{Gate, Journal, Place, eventually, midnight};

use super::trip::{Mishap, Trip, World, travel, wish};

#[tokio::test]
async fn a_step_that_was_cut_runs_again_under_its_key_and_those_before_it_do_not() {
    let (place, world) = (Place::sqlite(), World::default());
    world.mishap("hotel", Mishap::Wait(Gate::shut()), 1);
    let (kairo, trips) = travel(&place, &world).await;
    let id = trips.start(wish()).await.unwrap();
    let _ = world.seen.at_least(2).await;
    kairo.stop_at_once();
    drop((kairo, trips));
    let (kairo, trips) = travel(&place, &world).await;
    assert!(trips.outcome(id).await.unwrap().is_completed());
    assert_eq!(world.seen.all(), ["flight", "hotel", "hotel", "car"]);
    assert_eq!(world.bookings(), ["car", "flight", "hotel"]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_compensation_that_was_cut_runs_again() {
    let (place, world) = (Place::sqlite(), World::default());
    world.mishap("car", Mishap::No, 1);
    world.mishap("no_hotel", Mishap::Wait(Gate::shut()), 1);
    let (kairo, trips) = travel(&place, &world).await;
    let id = trips.start(wish()).await.unwrap();
    let _ = world.seen.at_least(4).await;
    kairo.stop_at_once();
    drop((kairo, trips));
    let (kairo, trips) = travel(&place, &world).await;
    assert!(matches!(trips.outcome(id).await.unwrap(), Outcome::Compensated { .. }));
    let seen = ["flight", "hotel", "car", "no_hotel", "no_hotel", "no_flight"];
    assert_eq!(world.seen.all(), seen);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_saga_whose_code_is_gone_waits_for_it() {
    let (place, world) = (Place::sqlite(), World::default());
    world.mishap("hotel", Mishap::Wait(Gate::shut()), 1);
    let (kairo, trips) = travel(&place, &world).await;
    let id = trips.start(wish()).await.unwrap();
    let _ = world.seen.at_least(2).await;
    kairo.stop_at_once();
    drop((kairo, trips));
    let kairo = place.start().await;
    assert!(kairo.saga_of::<Trip>().is_err());
    assert_eq!(kairo.sagas().get(id).await.unwrap().phase, Phase::Running);
    let trips = kairo.saga(Trip { world: world.clone() });
    assert!(trips.outcome(id).await.unwrap().is_completed());
    kairo.shutdown().await.unwrap();
}

#[derive(Clone)]
struct Patient {
    seen: Journal<u32>,
}

#[saga("patient")]
impl Patient {
    #[step(retry(max = 3, backoff = "1h"))]
    async fn wait(&self, _hours: &u32, attempt: Attempt) -> Result<(), Failure> {
        self.seen.note(attempt.get());
        if attempt.get() < 3 { Err(Failure::retryable("not yet")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_sleeping_saga_wakes_up_when_it_is_due_also_after_a_restart() {
    let (place, clock, seen) = (Place::sqlite(), Clock::manual(midnight()), Journal::new());
    let patient = Patient { seen: seen.clone() };
    let start =
        async || place.start_with(|bare| bare.saga(patient.clone()).clock(clock.clone())).await;
    let kairo = start().await;
    let id = kairo.saga_of::<Patient>().unwrap().start(2).await.unwrap();
    assert_eq!(seen.at_least(1).await, [1]);
    eventually(async || asleep(&kairo, id).await).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let kairo = start().await;
    assert_eq!(seen.all(), [1]);
    clock.advance(Duration::from_hours(1));
    assert_eq!(seen.at_least(2).await, [1, 2]);
    eventually(async || asleep(&kairo, id).await).await;
    clock.advance(Duration::from_hours(1));
    let patients = kairo.saga_of::<Patient>().unwrap();
    assert!(patients.outcome(id).await.unwrap().is_completed());
    assert_eq!(seen.all(), [1, 2, 3]);
    kairo.shutdown().await.unwrap();
}

/// Whether its next attempt waits to be due.
async fn asleep(kairo: &Kairo, id: Uuid) -> bool {
    let state = kairo.sagas().get(id).await.unwrap().state;
    state["steps"]["wait"]["running"]["attempts"]["due"].is_string()
}

mod before {
    use kairo::prelude::*;

    #[derive(Clone)]
    pub(super) struct Changing;

    #[saga("changing", local)]
    impl Changing {
        #[step(retry(max = 3, backoff = "1h"))]
        async fn one(&self, _number: &u32) -> Result<u32, Failure> {
            Err(Failure::retryable("not yet"))
        }
    }
}

mod afterwards {
    use kairo::prelude::*;

    #[derive(Clone)]
    pub(super) struct Changing;

    #[saga("changing", local)]
    impl Changing {
        #[step(pure)]
        async fn one(&self, number: &u32) -> u64 {
            u64::from(*number)
        }

        #[step]
        async fn two(&self, one: &u64) -> u64 {
            one + 1
        }
    }
}

/// A process that has this code, after one with the code of before has begun the saga.
async fn begun_before<New: Saga + Clone>(place: &Place, new: New) -> (Kairo, Uuid) {
    let clock = Clock::manual(midnight());
    let kairo = place.start_with(|bare| bare.saga(before::Changing).clock(clock.clone())).await;
    let id = kairo.saga_of::<before::Changing>().unwrap().start(2).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop(kairo);
    clock.advance(Duration::from_hours(2));
    let new = |bare: Builder| bare.saga(new.clone()).clock(clock.clone());
    (place.start_with(new).await, id)
}

#[tokio::test]
async fn a_saga_of_another_shape_is_parked_and_says_so() {
    let place = Place::sqlite();
    let (kairo, id) = begun_before(&place, afterwards::Changing).await;
    let sagas = kairo.saga_of::<afterwards::Changing>().unwrap();
    let outcome = sagas.outcome(id).await.unwrap();
    let Outcome::Parked { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("code of another shape") && reason.contains("#[migrate"), "{reason}");
    assert_eq!(kairo.health().await.unwrap().waiting_sagas[0].phase, Phase::Parked);
    kairo.shutdown().await.unwrap();
}

mod migrated {
    use kairo::{
        prelude::*,
        serde_json::{Value, json},
    };

    #[derive(Clone)]
    pub(super) struct Changing;

    #[saga("changing", local)]
    impl Changing {
        /// `one` returned a number before, and was not done when this was written.
        #[migrate(from = "14cf0b324c9a714d")]
        fn from_before(mut state: Value) -> Result<Value, Failure> {
            state["steps"] = json!({ "one": { "pending": {} }, "two": { "pending": {} } });
            Ok(state)
        }

        #[step(pure)]
        async fn one(&self, number: &u32) -> u64 {
            u64::from(*number)
        }

        #[step]
        async fn two(&self, one: &u64) -> u64 {
            one + 1
        }
    }
}

#[tokio::test]
async fn a_saga_of_another_shape_goes_on_where_somebody_says_how() {
    assert_eq!(format!("{:016x}", before::Changing::SHAPE), "14cf0b324c9a714d");
    let place = Place::sqlite();
    let (kairo, id) = begun_before(&place, migrated::Changing).await;
    let sagas = kairo.saga_of::<migrated::Changing>().unwrap();
    assert_eq!(sagas.outcome(id).await.unwrap().completed().unwrap(), 3);
    kairo.shutdown().await.unwrap();
}
