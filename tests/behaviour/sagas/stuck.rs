//! Compensations that finally fail: nothing goes on until somebody decides.

use kairo::{
    Error,
    prelude::*,
    saga::{Outcome, Phase, SagaRef},
};
use kairo_tests::support::{Place, logged, on_each_store};
use serde_json::json;

use super::trip::{Mishap, Trip, TripStep, World, travel, wish};

/// A trip whose hotel cannot be cancelled.
async fn stuck(place: &Place, world: &World) -> (Kairo, SagaRef<Trip>, Uuid) {
    world.mishap("car", Mishap::No, 1);
    world.mishap("no_hotel", Mishap::No, 1);
    let (kairo, trips) = travel(place, world).await;
    let id = trips.start(wish()).await.unwrap();
    let outcome = trips.outcome(id).await.unwrap();
    let Outcome::Stuck { step, errors, error } = outcome else { panic!("{outcome:?}") };
    assert_eq!((step, errors), (TripStep::Hotel, vec!["no no_hotel".to_owned()]));
    assert_eq!(error.failed, Some(TripStep::Car));
    assert_eq!(world.bookings(), ["flight", "hotel"]);
    (kairo, trips, id)
}

#[tokio::test]
async fn a_stuck_saga_is_seen_by_everybody() {
    on_each_store(async |place| {
        let (kairo, _, id) = stuck(&place, &World::default()).await;
        let health = kairo.health().await.unwrap();
        assert!(!health.is_good());
        assert_eq!((health.waiting_sagas[0].id, health.waiting_sagas[0].phase), (id, Phase::Stuck));
        assert_eq!(logged(&kairo, "saga.stuck").await.len(), 1);
        let info = kairo.sagas().get(id).await.unwrap();
        assert_eq!((info.phase, info.stuck.as_deref()), (Phase::Stuck, Some("hotel")));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_retried_saga_goes_on_undoing() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips, id) = stuck(&place, &world).await;
        kairo.sagas().retry(id).await.unwrap();
        assert!(matches!(trips.outcome(id).await.unwrap(), Outcome::Compensated { .. }));
        assert!(world.bookings().is_empty());
        assert!(kairo.health().await.unwrap().is_good());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_skipped_compensation_counts_as_done_for_its_reason() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips, id) = stuck(&place, &world).await;
        let refused = kairo.sagas().skip(id, " ").await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { .. }), "{refused}");
        kairo.sagas().skip(id, "called the hotel").await.unwrap();
        assert!(matches!(trips.outcome(id).await.unwrap(), Outcome::Compensated { .. }));
        assert_eq!(world.bookings(), ["hotel"]);
        let state = kairo.sagas().get(id).await.unwrap().state;
        assert_eq!(state["steps"]["hotel"]["undone"]["skipped"], "called the hotel");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_resumed_saga_goes_forward_again() {
    on_each_store(async |place| {
        let world = World::default();
        let (kairo, trips, id) = stuck(&place, &world).await;
        kairo.sagas().resume(id).await.unwrap();
        assert!(trips.outcome(id).await.unwrap().is_completed());
        assert_eq!(world.bookings(), ["car", "flight", "hotel"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_unknown_outcome_without_an_output_is_stuck_until_somebody_gives_one() {
    on_each_store(async |place| {
        let world = World::default();
        world.mishap("hotel", Mishap::Lost, 3);
        let (kairo, trips) = travel(&place, &world).await;
        let id = trips.start(wish()).await.unwrap();
        let outcome = trips.outcome(id).await.unwrap();
        let Outcome::Stuck { step, errors, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(step, TripStep::Hotel);
        assert!(errors[0].contains("cannot run without its output"), "{errors:?}");
        kairo.sagas().retry_with(id, json!("hotel in Lisbon")).await.unwrap();
        assert!(matches!(trips.outcome(id).await.unwrap(), Outcome::Compensated { .. }));
        assert!(world.bookings().is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_verb_in_the_wrong_state_changes_nothing() {
    on_each_store(async |place| {
        let (kairo, trips) = travel(&place, &World::default()).await;
        let id = trips.start(wish()).await.unwrap();
        assert!(trips.outcome(id).await.unwrap().is_completed());
        let before = kairo.sagas().get(id).await.unwrap().state;
        let sagas = kairo.sagas();
        for refused in [
            sagas.retry(id).await,
            sagas.retry_with(id, json!(1)).await,
            sagas.skip(id, "why").await,
            sagas.resume(id).await,
            sagas.compensate(id).await,
            sagas.cancel(id).await,
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::WrongState(_)), "{error}");
            assert!(error.to_string().contains("completed"), "{error}");
        }
        assert_eq!(kairo.sagas().get(id).await.unwrap().state, before);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
