//! Joins, leaves and crashes in any order.

use std::collections::HashMap;

use super::{Cluster, Node, assert_in_order, assert_once};

const KEYS: u64 = 50;

/// How many numbers of each key are published between two changes, and how many changes there are.
const EACH: u64 = 2;
const CHANGES: u64 = 20;

/// The most buses at once.
const NODES_MAX: usize = 4;

/// Chance that repeats (the constants are those of Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Lets buses come and go while events are published, and says how many crashed.
async fn live(cluster: &Cluster, seed: u64, may_crash: bool) -> usize {
    let mut dice = Dice(seed);
    let operator = cluster.operator().await;
    let mut nodes: Vec<Node> = vec![cluster.node("node").await];
    let mut crashes = 0;
    for change in 0..CHANGES {
        operator.publish(KEYS, change * EACH, EACH).await;
        let some_handled = dice.below(usize::try_from(KEYS * EACH).unwrap());
        let handled = cluster.runs.all().len() + some_handled;
        if !nodes.is_empty() {
            let published = usize::try_from(KEYS * EACH * (change + 1)).unwrap();
            cluster.passing(cluster.runs.at_least(handled.min(published))).await;
        }
        match dice.below(if may_crash { 4 } else { 3 }) {
            0 | 1 if nodes.len() < NODES_MAX => nodes.push(cluster.node("node").await),
            2 if 1 < nodes.len() => {
                let gone = nodes.swap_remove(dice.below(nodes.len()));
                cluster.passing(gone.leave()).await;
            }
            3 => {
                nodes.swap_remove(dice.below(nodes.len())).crash();
                crashes += 1;
                if nodes.is_empty() {
                    nodes.push(cluster.node("node").await);
                }
            }
            _ => {}
        }
    }
    cluster.ran(KEYS, EACH * CHANGES).await;
    for node in nodes {
        cluster.passing(node.leave()).await;
    }
    cluster.passing(operator.leave()).await;
    crashes
}

#[tokio::test]
async fn however_buses_come_and_go_each_event_is_handled_once_and_in_order() {
    for seed in 1..=3 {
        let cluster = Cluster::new().await;
        live(&cluster, seed, false).await;
        assert_once(&cluster.runs.all(), KEYS, EACH * CHANGES);
    }
}

#[tokio::test]
async fn however_buses_crash_no_event_is_skipped_or_overtaken() {
    for seed in 1..=3 {
        let cluster = Cluster::new().await;
        let crashes = live(&cluster, seed, true).await;
        assert!(0 < crashes);
        let runs = cluster.runs.all();
        assert_in_order(&runs);
        let mut counts: HashMap<_, usize> = HashMap::new();
        for (_, key, number) in &runs {
            *counts.entry((key, number)).or_default() += 1;
        }
        assert_eq!(counts.len() as u64, KEYS * EACH * CHANGES);
        // A crash repeats at most what had started and was not written down.
        assert!(counts.values().all(|count| *count <= 1 + crashes), "{crashes} crashes");
    }
}
