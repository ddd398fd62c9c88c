//! The events of a run's own life, on request.

use futures_util::TryStreamExt;
use kairo::prelude::*;
use kairo_tests::support::{logged, on_each_store};

use super::trade::{World, trade, trading};

#[tokio::test]
async fn a_run_tells_of_its_life_in_a_stream_of_its_own() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        trading(&kairo, &world).execute(trade("rust", 3)).await.unwrap();
        let run = logged(&kairo, "pipeline.started").await[0].correlation();
        let store = kairo.store();
        let told: Vec<_> = store.stream(format!("pipeline-{run}")).try_collect().await.unwrap();
        let names: Vec<_> = told.iter().map(AnyEvent::name).collect();
        let stage = "pipeline.stage.completed";
        assert_eq!(names, ["pipeline.started", stage, stage, stage, stage, "pipeline.completed"]);
        let stages: Vec<_> =
            told[1..5].iter().map(|event| event.json().unwrap()["stage"].clone()).collect();
        assert_eq!(stages, ["is_open", "price", "priced", "book"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

struct Silent;

#[pipeline("silent")]
impl Silent {
    #[map]
    fn same(&self, number: u64) -> u64 {
        number
    }
}

#[tokio::test]
async fn a_run_that_was_not_asked_to_tells_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        assert_eq!(kairo.pipeline(Silent).execute(7).await.unwrap(), 7);
        assert!(logged(&kairo, "pipeline.started").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}
