//! A bus on a Redis server, from publishing to a dead letter and over a restart.

use kairo::prelude::*;
use kairo_tests::{
    note,
    support::{Echo, Sample, letters, logged, sample, soon},
};

use super::Place;

async fn start(place: &Place) -> Kairo {
    let kairo = Kairo::builder().store(place.url()).only(note).start().await.unwrap();
    let echoes = kairo.subscribe::<Sample>("echoes");
    let _ = echoes.handle(async |event| Echo::from(event.payload())).await.unwrap();
    let refuses = kairo.subscribe::<Sample>("refuses");
    let _ = refuses.handle(async |_| Err::<(), _>(Failure::permanent("no"))).await.unwrap();
    kairo
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn events_are_handled_once_and_die_once_also_over_a_restart() {
    let place = Place::new();
    for number in 1..4_u64 {
        let kairo = start(&place).await;
        assert!(kairo.health().await.unwrap().store.contains(&place.prefix));
        let published = kairo.publish(sample("a", number)).await.unwrap();
        soon(published.settled()).await.unwrap();
        let (echoes, dead) = (logged(&kairo, "echo.heard").await, letters(&kairo).await);
        let numbers: Vec<_> =
            echoes.iter().map(|echo| echo.decode::<Echo>().unwrap().number).collect();
        assert_eq!(numbers, (1..=number).collect::<Vec<_>>());
        assert_eq!(dead.len() as u64, number);
        kairo.shutdown().await.unwrap();
    }
}
