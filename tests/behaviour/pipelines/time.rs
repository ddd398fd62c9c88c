//! Runs and stages that take too long, on a clock that is moved by hand.

use std::time::Duration;

use kairo::{clock::Clock, pipeline::ErrorKind, prelude::*};
use kairo_tests::support::{Gate, midnight, on_each_store, passing};

use super::trade::{Mishap, World, trade, trading};

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_followed_by_another() {
    on_each_store(async |place| {
        let (clock, world) = (Clock::manual(midnight()), World::default());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        world.mishaps([Mishap::Wait(Gate::shut())]);
        let trading = trading(&kairo, &world);
        let run = trading.execute(trade("rust", 1));
        assert_eq!(passing(&clock, Duration::from_secs(30), run).await.unwrap(), 100);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_always_takes_too_long_says_how_long() {
    on_each_store(async |place| {
        let (clock, world) = (Clock::manual(midnight()), World::default());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        world.mishaps((0..3).map(|_| Mishap::Wait(Gate::shut())));
        let trading = trading(&kairo, &world);
        let run = trading.execute(trade("rust", 1));
        let error = passing(&clock, Duration::from_secs(30), run).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut(limit) if limit.as_secs() == 60));
        assert_eq!(error.stage(), Some("price"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

struct Slow {
    gate: Gate,
}

#[pipeline("slow", timeout = "10m")]
impl Slow {
    #[filter]
    fn is_wanted(&self, number: &u64) -> bool {
        0 < *number
    }

    #[map]
    async fn wait(&self, number: u64) -> u64 {
        self.gate.pass().await;
        number
    }
}

#[tokio::test]
async fn a_run_that_takes_too_long_says_where_it_was() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let slow = kairo.pipeline(Slow { gate: Gate::shut() });
        let error = passing(&clock, Duration::from_mins(1), slow.execute(1)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut(limit) if limit.as_secs() == 600));
        assert_eq!(error.stage(), Some("wait"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}
