//! Outcomes and letters, wherever the event is handled.

use std::time::Duration;

use kairo::{Outcome, prelude::*};
use kairo_tests::support::{Busy, Journal, Sample, eventually, letters, sample};

use super::{Cluster, Node, SHARED};

/// From this number on nothing dies.
const SECOND: u64 = 100;

/// A handler that fails for good at first for keys that begin with `dead`, and for now
/// for those with `busy`.
async fn picky(node: &Node, runs: &Journal<u64>) {
    let runs = runs.clone();
    let policy = RetryPolicy::new(1).backoff(Duration::from_mins(10));
    let subscribe = node.kairo.subscribe::<Sample>(SHARED).from_beginning().retry(policy);
    let handled = subscribe.hold_key_on_dead().handle(move |event| {
        let first = event.number < SECOND && !runs.all().contains(&event.number);
        runs.note(event.number);
        async move {
            match event.key.split('-').next() {
                Some("dead") if first => Err(Failure::permanent("no")),
                Some("busy") => Err(Failure::retryable(Busy)),
                _ => Ok(()),
            }
        }
    });
    handled.await.unwrap();
}

/// Two buses with half of the partitions each.
async fn pair(cluster: &Cluster, runs: &Journal<u64>) -> [Node; 2] {
    let nodes = [cluster.operator().await, cluster.operator().await];
    for node in &nodes {
        picky(node, runs).await;
    }
    cluster.shared_as(&nodes[0], &[16, 16]).await;
    nodes
}

#[tokio::test]
async fn whoever_publishes_hears_what_became_of_it_elsewhere() {
    let cluster = Cluster::new().await;
    let nodes = pair(&cluster, &Journal::new()).await;
    for number in 0..20 {
        let publish = async |key: &str| {
            let sample = sample(format!("{key}-{number}"), number);
            let published = nodes[0].kairo.publish(sample).await.unwrap();
            let handled = cluster.passing(published.handled()).await.unwrap();
            handled.outcome(SHARED).unwrap()
        };
        assert_eq!(publish("fine").await, Outcome::Done);
        assert!(matches!(publish("busy").await, Outcome::Retrying { .. }));
    }
    for number in 20..40 {
        let dead = sample(format!("dead-{number}"), number);
        let published = nodes[0].kairo.publish(dead).await.unwrap();
        let settled = cluster.passing(published.settled()).await.unwrap();
        assert!(matches!(settled.outcome(SHARED), Some(Outcome::Dead { .. })));
    }
    for node in nodes {
        node.leave().await;
    }
}

#[tokio::test]
async fn a_letter_is_reprocessed_by_whoever_has_its_partition() {
    let cluster = Cluster::new().await;
    let runs = Journal::new();
    let nodes = pair(&cluster, &runs).await;
    let operator = cluster.operator().await;
    for number in 0..10 {
        let key = format!("dead-{number}");
        // The second waits behind the first, whose letter holds the key.
        let _ =
            operator.kairo.publish_all([sample(&key, number), sample(&key, SECOND)]).await.unwrap();
    }
    let all_dead = async || letters(&operator.kairo).await.len() == 10;
    cluster.passing(eventually(all_dead)).await;
    assert!(!runs.all().contains(&SECOND));
    for letter in letters(&operator.kairo).await {
        let replayed = operator.kairo.dead_letters().reprocess(letter.id).await.unwrap();
        let settled = cluster.passing(replayed.settled()).await.unwrap();
        assert!(settled.all_done(), "{settled:?}");
    }
    cluster.passing(runs.until(|runs| runs.iter().filter(|it| **it == SECOND).count() == 10)).await;
    for node in nodes {
        node.leave().await;
    }
    operator.leave().await;
}

#[tokio::test]
async fn a_letter_that_is_removed_elsewhere_lets_its_key_go() {
    let cluster = Cluster::new().await;
    let runs = Journal::new();
    let nodes = pair(&cluster, &runs).await;
    let operator = cluster.operator().await;
    let _ = operator.kairo.publish_all([sample("dead", 1), sample("dead", SECOND)]).await.unwrap();
    let is_dead = async || !letters(&operator.kairo).await.is_empty();
    cluster.passing(eventually(is_dead)).await;
    let letter = letters(&operator.kairo).await.remove(0);
    operator.kairo.dead_letters().remove(letter.id).await.unwrap();
    cluster.passing(runs.until(|runs| runs.contains(&SECOND))).await;
    for node in nodes {
        node.leave().await;
    }
    operator.leave().await;
}

#[tokio::test]
async fn a_delayed_event_comes_also_when_the_process_that_published_it_has_gone() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let operator = cluster.operator().await;
    let later = operator.kairo.publish(sample("a", 1)).delay(Duration::from_secs(5));
    let _ = later.await.unwrap();
    operator.crash();
    let runs = cluster.passing(cluster.runs.at_least(1)).await;
    assert_eq!(runs, [("one", "a".to_owned(), 1)]);
    assert!(cluster.clock.now().as_second() < 8);
    one.leave().await;
}
