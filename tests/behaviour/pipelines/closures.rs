//! Pipelines of closures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use kairo::{
    pipeline,
    pipeline::{ErrorKind, Pipeline, Tells},
    prelude::*,
};
use kairo_tests::support::{Gate, Sample, logged, on_each_store, sample};

use super::trade::{Trade, trade};

#[event("sum.doubled")]
struct SumDoubled(u64);

fn doubling() -> impl Pipeline<Input = u64, Output = String> {
    pipeline("doubling")
        .tells(Tells::Stages)
        .timeout(Duration::from_mins(1))
        .input::<u64>()
        .filter("is-small", |number| *number < 100)
        .map("double", async |number| Ok(number * 2))
        .timeout(Duration::from_secs(5))
        .emit(|number| SumDoubled(*number))
        .map("write", async |number: u64| {
            let text: u64 = number.to_string().parse()?;
            Ok(text.to_string())
        })
}

#[tokio::test]
async fn closures_chain_as_methods_do() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let doubling = kairo.pipeline(doubling());
        assert_eq!(doubling.execute(21).await.unwrap(), "42");
        let doubled = logged(&kairo, "sum.doubled").await;
        assert_eq!(doubled[0].decode::<SumDoubled>().unwrap().0, 42);
        assert_eq!(logged(&kairo, "pipeline.stage.completed").await.len(), 4);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn stages_have_names_and_an_emission_that_of_its_event() {
    let doubling = doubling();
    assert_eq!(doubling.name(), "doubling");
    assert_eq!(doubling.stages(), ["is-small", "double", "sum.doubled", "write"]);
}

#[tokio::test]
async fn a_refusal_names_the_stage() {
    let kairo = kairo_tests::support::Place::memory().start().await;
    let error = kairo.pipeline(doubling()).execute(100).await.unwrap_err();
    assert!(error.is_rejected());
    assert_eq!((error.pipeline(), error.stage()), ("doubling", Some("is-small")));
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stage_is_tried_again_with_a_clone() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let patient = pipeline("patient")
            .input::<Sample>()
            .map("third-time-lucky", move |taken: Sample| {
                let attempt = counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    if attempt < 2 { Err(Failure::retryable("not yet")) } else { Ok(taken.number) }
                }
            })
            .retry(RetryPolicy::new(2).backoff(Duration::from_millis(1)))
            .timeout(Duration::from_secs(5));
        assert_eq!(kairo.pipeline(patient).execute(sample("a", 7)).await.unwrap(), 7);
        assert_eq!(attempts.load(Ordering::Relaxed), 3);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_input_with_rules_is_checked() {
    let kairo = kairo_tests::support::Place::memory().start().await;
    let strict = pipeline("strict").valid_input::<Trade>();
    let strict = kairo.pipeline(strict.map("number", async |trade| Ok(trade.number)));
    assert_eq!(strict.execute(trade("rust", 1)).await.unwrap(), 1);
    let error = strict.execute(trade("rust", 0)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_event_could_have_is_refused() {
    let kairo = kairo_tests::support::Place::memory().start().await;
    let named = pipeline("Order Processing").input::<u64>().map("same", async |it| Ok(it));
    let error = kairo.pipeline(named).execute(1).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misused(_)));
    let text = error.to_string();
    assert!(text.contains("name of a pipeline `Order Processing`"), "{text}");
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_run_of_closures_has_its_time() {
    let kairo = kairo_tests::support::Place::memory().start().await;
    let gate = Gate::shut();
    let slow = pipeline("slow").timeout(Duration::from_millis(5)).input::<u64>();
    let slow = slow.map("wait", move |it| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok(it)
        }
    });
    let error = kairo.pipeline(slow).execute(1).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut(_)));
    assert_eq!(error.stage(), Some("wait"));
    kairo.shutdown().await.unwrap();
}
