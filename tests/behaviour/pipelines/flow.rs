//! Runs that come to their end: stages in order, their events, and what is said about a run.

use kairo::{pipeline::Pipeline, prelude::*};
use kairo_tests::support::{logged, on_each_store};

use super::trade::{Mishap, Trading, World, trade, trading};

#[tokio::test]
async fn what_flows_in_comes_out_of_the_last_stage() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        assert_eq!(trading(&kairo, &world).execute(trade("rust", 3)).await.unwrap(), 300);
        let price = "price 1 pipeline:trading/price";
        assert_eq!(world.seen.all(), ["is_open", price, "book", "well 300"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_run_publishes_shares_its_correlation() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        trading(&kairo, &world).execute(trade("rust", 3)).await.unwrap();
        let started = &logged(&kairo, "pipeline.started").await[0];
        for name in ["trade.checked", "trade.asked", "trade.priced", "pipeline.completed"] {
            let [event] = logged(&kairo, name).await.try_into().unwrap();
            assert_eq!(event.correlation(), started.correlation(), "{name}");
            assert_eq!(event.causation(), Some(started.correlation()), "{name}");
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_run_is_given_a_correlation_and_notes() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let id = kairo::clock::Clock::system().new_id();
        let run = trading(&kairo, &world).correlation(id).metadata("desk", "7");
        run.execute(trade("rust", 3)).await.unwrap();
        let priced = &logged(&kairo, "trade.priced").await[0];
        assert_eq!((priced.correlation(), priced.metadata()["desk"].as_str()), (id, "7"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stage_is_tried_again_and_publishes_once() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::Silent, Mishap::Panic]);
        assert_eq!(trading(&kairo, &world).execute(trade("rust", 1)).await.unwrap(), 100);
        let attempts = world.seen.all().into_iter().filter(|it| it.starts_with("price")).count();
        assert_eq!((attempts, logged(&kairo, "trade.asked").await.len()), (3, 1));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_emission_may_be_none() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        trading(&kairo, &world).execute(trade("secret", 1)).await.unwrap();
        assert!(logged(&kairo, "trade.priced").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_pipeline_runs_many_times_side_by_side() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let trading = trading(&kairo, &world);
        let runs = (1..=16).map(|number| {
            let trading = trading.clone();
            tokio::spawn(async move { trading.execute(trade("rust", number)).await.unwrap() })
        });
        let mut sum = 0;
        for run in runs.collect::<Vec<_>>() {
            sum += run.await.unwrap();
        }
        assert_eq!(sum, 13_600);
        assert_eq!(logged(&kairo, "trade.priced").await.len(), 16);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn a_pipeline_knows_its_name_and_its_stages() {
    let trading = Trading::default();
    assert_eq!(trading.name(), "trading");
    assert_eq!(trading.stages(), ["is_open", "price", "priced", "book"]);
}

#[tokio::test]
async fn a_stage_is_a_method_that_a_test_calls() {
    assert!(Trading::default().is_open(&trade("rust", 1)).await);
}

#[event("quote.seen", ephemeral)]
struct QuoteSeen {
    cents: u64,
}

#[event("quote.kept")]
struct QuoteKept {
    cents: u64,
}

struct Quoting;

#[pipeline("quoting")]
impl Quoting {
    #[emit]
    fn seen(&self, cents: &u64) -> QuoteSeen {
        QuoteSeen { cents: *cents }
    }

    #[emit(retry(max = 1, backoff = "1ms"), timeout = "5s")]
    async fn kept(&self, cents: &u64) -> Result<Vec<QuoteKept>, Failure> {
        Ok(vec![QuoteKept { cents: *cents }, QuoteKept { cents: cents + 1 }])
    }
}

#[tokio::test]
async fn an_ephemeral_event_is_handled_before_the_next_stage_and_several_are_one_commit() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = kairo_tests::support::Journal::new();
        let noted = seen.clone();
        let note = kairo.subscribe::<QuoteSeen>("note-quotes").handle(move |quote| {
            noted.note(quote.cents);
            std::future::ready(())
        });
        let _ = note.await.unwrap();
        assert_eq!(kairo.pipeline(Quoting).execute(7).await.unwrap(), 7);
        assert_eq!(seen.all(), [7]);
        let kept = logged(&kairo, "quote.kept").await;
        let cents: Vec<_> = kept.iter().map(|it| it.decode::<QuoteKept>().unwrap().cents).collect();
        assert_eq!(cents, [7, 8]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
