//! Bad input: one clear error each, and nothing changed.

use kairo::{Error, prelude::*, saga::SagaFilter};
use kairo_tests::support::on_each_store;

use super::trip::{Trip, Wish, World, travel, wish};

#[tokio::test]
async fn a_key_or_an_input_that_is_too_long_is_refused() {
    on_each_store(async |place| {
        let (kairo, trips) = travel(&place, &World::default()).await;
        for key in [String::new(), "k".repeat(201)] {
            let keyed = kairo.saga_of::<Trip>().unwrap().key(key);
            let error = keyed.start(wish()).await.unwrap_err();
            assert!(error.to_string().contains("1 to 200 bytes"), "{error}");
        }
        let error = trips.start(Wish { to: "x".repeat(3 << 20) }).await.unwrap_err();
        assert!(error.to_string().contains("at most 2097152 bytes"), "{error}");
        assert!(kairo.sagas().list(SagaFilter::default()).await.unwrap().is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_kind_that_was_not_given_is_not_found() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let error = kairo.saga_of::<Trip>().map(drop).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }) && error.to_string().contains("trip"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

struct Fuel;

#[derive(Clone)]
struct Thirsty;

#[saga("thirsty")]
impl Thirsty {
    #[step]
    async fn drive(&self, _to: &String, _fuel: State<Fuel>) {}
}

#[tokio::test]
async fn a_saga_whose_methods_take_what_nobody_gave_cannot_be_started() {
    let builder = Kairo::builder().store("memory:").without_handlers();
    let Err(error) = builder.saga(Thirsty).start().await else { panic!("it has no fuel") };
    let error = error.to_string();
    assert!(error.contains("saga `thirsty`") && error.contains("State<"), "{error}");
    assert!(error.contains("Fuel` was given: call `.state(..)`"), "{error}");
}
