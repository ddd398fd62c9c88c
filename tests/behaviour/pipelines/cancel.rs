//! A run whose future is dropped ends where it is.

use kairo_tests::support::{Gate, logged, on_each_store};

use super::trade::{Mishap, World, trade, trading};

#[tokio::test]
async fn a_dropped_run_keeps_what_it_emitted_and_does_nothing_more() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::Wait(Gate::shut())]);
        let trading = trading(&kairo, &world);
        tokio::select! {
            biased;
            ended = trading.execute(trade("rust", 1)) => panic!("{ended:?}"),
            _ = world.seen.until(|seen| seen.iter().any(|it| it == "waits")) => {}
        }
        assert_eq!(logged(&kairo, "trade.checked").await.len(), 1);
        for name in ["trade.priced", "pipeline.completed", "pipeline.failed"] {
            assert!(logged(&kairo, name).await.is_empty(), "{name}");
        }
        assert_eq!(world.seen.all().len(), 3, "neither a later stage nor a hook has run");
        assert_eq!(trading.execute(trade("rust", 2)).await.unwrap(), 200, "others go on");
        kairo.shutdown().await.unwrap();
    })
    .await;
}
