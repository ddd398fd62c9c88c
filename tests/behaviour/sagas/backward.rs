//! Going back: what was done is undone, the last first; what said no is not.

use kairo::{
    prelude::*,
    saga::{Cause, Outcome, Saga as _, SagaFailure},
};
use kairo_tests::support::{Journal, logged, on_each_store};

use super::trip::{Mishap, Trip, TripStep, World, travel, wish};

/// Runs a trip in which a step goes wrong for ever, and tells what was seen.
async fn after(step: &'static str, mishap: Mishap, expected: &[&str]) -> Outcome<Trip> {
    let world = World::default();
    world.mishap(step, mishap, 0);
    let place = kairo_tests::support::Place::sqlite();
    let (kairo, trips) = travel(&place, &world).await;
    let outcome = trips.execute(wish()).await.unwrap();
    assert_eq!(world.seen.all(), expected);
    assert!(world.bookings().is_empty(), "{:?}", world.bookings());
    kairo.shutdown().await.unwrap();
    outcome
}

#[tokio::test]
async fn what_was_done_is_undone_in_reverse_and_what_said_no_is_not() {
    let outcome = after("car", Mishap::No, &["flight", "hotel", "car", "no_hotel", "no_flight"]);
    let Outcome::Compensated { cause, error, undone } = outcome.await else { panic!("it failed") };
    assert_eq!((cause, error.failed), (Cause::Failed, Some(TripStep::Car)));
    assert_eq!(undone, [TripStep::Flight, TripStep::Hotel]);
    assert_eq!(error.to_string(), "saga `trip` is compensated: step `car` failed: no car");
}

#[tokio::test]
async fn what_nobody_knows_is_undone_in_case_it_has_happened() {
    let three = ["flight", "hotel", "car", "car", "car", "no_car", "no_hotel", "no_flight"];
    let outcome = after("car", Mishap::Lost, &three).await;
    assert!(matches!(outcome, Outcome::Compensated { undone, .. } if undone.len() == 3));
}

#[tokio::test]
async fn a_step_that_panics_has_an_unknown_outcome() {
    let seen = ["flight", "flight", "flight", "no_flight"];
    let outcome = after("flight", Mishap::Panic, &seen).await;
    let error = outcome.completed().unwrap_err();
    assert!(error.errors[0].contains("flight panics"), "{error}");
}

#[tokio::test]
async fn the_error_says_what_is_undone_and_what_was_never_attempted() {
    let outcome = after("hotel", Mishap::No, &["flight", "hotel", "no_flight"]).await;
    let error = outcome.completed().unwrap_err();
    assert_eq!((error.undone, error.done), (vec![TripStep::Flight], vec![]));
    assert_eq!(error.not_attempted, [TripStep::Car]);
}

#[tokio::test]
async fn a_compensation_that_fails_at_first_is_tried_again() {
    on_each_store(async |place| {
        let world = World::default();
        world.mishap("car", Mishap::No, 1);
        world.mishap("no_hotel", Mishap::Silent, 1);
        let (kairo, trips) = travel(&place, &world).await;
        let outcome = trips.execute(wish()).await.unwrap();
        assert!(matches!(outcome, Outcome::Compensated { .. }));
        let seen = ["flight", "hotel", "car", "no_hotel", "no_hotel", "no_flight"];
        assert_eq!(world.seen.all(), seen);
        assert_eq!(logged(&kairo, "saga.compensated").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Clone, Default)]
struct Careless {
    seen: Journal<String>,
}

#[saga("careless", rollback_on_failure = false)]
impl Careless {
    #[step]
    async fn one(&self, number: &u64) -> u32 {
        self.seen.note(format!("one {number}"));
        1
    }

    #[compensate(one)]
    async fn not_one(&self, number: &u32) {
        self.seen.note(format!("not one {number}"));
    }

    #[step]
    async fn two(&self, one: &u32) -> Result<(), Failure> {
        Err(Failure::permanent(format!("{one} is enough")))
    }

    #[on_error]
    async fn regret(&self, failure: &SagaFailure) {
        self.seen.note(failure.to_string());
    }
}

#[tokio::test]
async fn without_rollback_what_was_done_stays_until_somebody_wants_it_undone() {
    on_each_store(async |place| {
        let careless = Careless::default();
        let seen = careless.seen.clone();
        let kairo = place.start_with(|bare| bare.saga(careless.clone())).await;
        let sagas = kairo.saga_of::<Careless>().unwrap();
        let id = sagas.start(7).await.unwrap();
        let outcome = sagas.outcome(id).await.unwrap();
        let Outcome::Failed { done, .. } = outcome else { panic!("it failed") };
        assert_eq!(done, [CarelessStep::One]);
        assert_eq!(seen.all(), ["one 7", "step `two` failed: 1 is enough"]);
        kairo.sagas().compensate(id).await.unwrap();
        assert!(matches!(sagas.outcome(id).await.unwrap(), Outcome::Compensated { .. }));
        assert!(seen.all().contains(&"not one 1".to_owned()));
        assert_eq!(Careless::NAME, "careless");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Clone, Default)]
struct Keys {
    seen: Journal<(Uuid, Option<Uuid>, String)>,
}

impl Keys {
    fn note(&self, key: &IdempotencyKey) {
        self.seen.note((key.id(), key.undoes(), key.place().to_owned()));
    }
}

#[saga("keys")]
impl Keys {
    #[step]
    async fn one(&self, _number: &u64, key: IdempotencyKey) -> u32 {
        self.note(&key);
        1
    }

    #[compensate(one)]
    async fn not_one(&self, key: IdempotencyKey) {
        self.note(&key);
    }

    #[step]
    async fn two(&self, _one: &u32) -> Result<(), Failure> {
        Err(Failure::permanent("no"))
    }
}

#[tokio::test]
async fn a_compensation_knows_its_own_key_and_that_of_its_step() {
    on_each_store(async |place| {
        let keys = Keys::default();
        let kairo = place.start_with(|bare| bare.saga(keys.clone())).await;
        let sagas = kairo.saga_of::<Keys>().unwrap();
        assert!(!sagas.execute(7).await.unwrap().is_completed());
        let [(step, none, place), (undo, undoes, undo_place)] = keys.seen.all().try_into().unwrap();
        assert_eq!((none, undoes), (None, Some(step)));
        assert_ne!(step, undo);
        assert_eq!((place.as_str(), undo_place.as_str()), ("keys/one", "keys/one/undo"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}
