//! The events of one kind of saga as one type.

use kairo::prelude::*;
use kairo_tests::support::{Journal, on_each_store};

use super::trip::{Trip, TripEvent, Wish, World, wish};

#[handler(name = "trip-events")]
async fn hears_of_trips(event: Envelope<TripEvent>, heard: State<Journal<String>>) {
    heard.note(format!("{:?} of {}", *event, event.stream()));
}

/// Another kind of saga, of which nobody wants to hear.
struct Errand;

#[saga("errand", local)]
impl Errand {
    #[step]
    async fn run(&self, _to: &Wish) -> u32 {
        7
    }
}

#[tokio::test]
async fn a_handler_hears_of_one_kind_of_saga_in_one_type() {
    on_each_store(async |place| {
        let heard = Journal::<String>::new();
        let kairo = place.bare().state(heard.clone()).only(hears_of_trips).start().await.unwrap();
        let other = kairo.saga(Errand).execute(wish()).await.unwrap();
        assert_eq!(other.completed().unwrap(), 7);
        let trips = kairo.saga(Trip { world: World::default() });
        let id = trips.start(wish()).await.unwrap();
        assert!(trips.outcome(id).await.unwrap().is_completed());
        let expected = [
            format!("Started {{ id: {id}, key: None }} of saga-{id}"),
            format!("StepCompleted {{ id: {id}, step: Flight }} of saga-{id}"),
            format!("StepCompleted {{ id: {id}, step: Hotel }} of saga-{id}"),
            format!("StepCompleted {{ id: {id}, step: Car }} of saga-{id}"),
            format!("Completed {{ id: {id} }} of saga-{id}"),
        ];
        assert_eq!(heard.at_least(5).await, expected);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
