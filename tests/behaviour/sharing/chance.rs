//! Joins, leaves and crashes in any order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kairo::{
    prelude::*,
    testing::faults::{Call, When},
};
use kairo_tests::support::{Busy, Journal, Sample};

use super::{Cluster, Node, SHARED, assert_in_order, assert_once};

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

/// A bus whose handler fails at first at every seventh number, for so long that it is parked.
async fn stumbling(cluster: &Cluster, fallen: &Journal<(String, u64)>) -> Node {
    let node = cluster.operator().await;
    let (runs, fallen) = (cluster.runs.clone(), fallen.clone());
    let policy = RetryPolicy::new(3).backoff(Duration::from_secs(2));
    let subscribe = node.kairo.subscribe::<Sample>(SHARED).from_beginning().retry(policy);
    let handled = subscribe.handle(move |event| {
        let stumbles = event.number % 7 == 3 && fallen.is_new((event.key.clone(), event.number));
        if !stumbles {
            runs.note(("node", event.key.clone(), event.number));
        }
        async move { if stumbles { Err(Busy) } else { Ok(()) } }
    });
    handled.await.unwrap();
    node
}

/// Lets buses come and go while events are published, and says how many crashed.
async fn live(cluster: &Cluster, seed: u64, may_crash: bool) -> usize {
    let (mut dice, fallen) = (Dice(seed), Journal::new());
    let operator = cluster.operator().await;
    let mut nodes: Vec<Node> = vec![stumbling(cluster, &fallen).await];
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
            0 | 1 if nodes.len() < NODES_MAX => nodes.push(stumbling(cluster, &fallen).await),
            2 if 1 < nodes.len() => {
                let gone = nodes.swap_remove(dice.below(nodes.len()));
                cluster.passing(gone.leave()).await;
            }
            3 => {
                nodes.swap_remove(dice.below(nodes.len())).crash();
                crashes += 1;
                if nodes.is_empty() {
                    nodes.push(stumbling(cluster, &fallen).await);
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

/// One bus has trouble with its store at some call; another is well.
async fn outlives(trouble: impl Fn(&Node)) -> u64 {
    let cluster = Cluster::new().await;
    let well = cluster.node("well").await;
    let ill = cluster.operator().await;
    trouble(&ill);
    let store = Arc::clone(&ill.store);
    let joins = async {
        // What was refused is asked for again, as a caller would.
        while ill.kairo.subscription(SHARED).is_none() {
            let runs = cluster.runs.clone();
            let subscribe = ill.kairo.subscribe::<Sample>(SHARED).from_beginning();
            let handled = subscribe.handle(move |event| {
                runs.note(("ill", event.key.clone(), event.number));
                async {}
            });
            let _ = handled.await;
        }
        cluster.shared_as(&well, &[16, 16]).await;
    };
    well.publish(8, 1, 2).await;
    cluster
        .passing(async {
            tokio::select! {
                () = joins => {}
                () = store.crashed() => {}
            }
        })
        .await;
    well.publish(8, 3, 2).await;
    assert_in_order(&cluster.ran(8, 4).await);
    let calls = store.calls();
    ill.kairo.stop_at_once();
    cluster.passing(well.leave()).await;
    calls
}

#[tokio::test]
async fn whichever_call_fails_the_work_goes_on() {
    for when in [When::Before, When::After] {
        let mut nth = 1;
        let fails = |nth: u64| {
            move |node: &Node| {
                let first = node.store.calls();
                node.store.fail_where(move |number, call| {
                    let closes = matches!(call, Call::Close);
                    (closes || number == first + nth).then_some(when)
                });
            }
        };
        while nth <= outlives(fails(nth)).await.min(30) {
            nth += 1;
        }
        assert!(10 < nth, "so many calls can fail: {nth}");
    }
}

#[tokio::test]
async fn at_whichever_call_a_process_dies_another_goes_on() {
    for when in [When::Before, When::After] {
        let mut nth = 1;
        let dies =
            |nth: u64| move |node: &Node| node.store.crash_nth(node.store.calls() + nth, when);
        while nth <= outlives(dies(nth)).await.min(30) {
            nth += 1;
        }
        assert!(10 < nth, "it can die at so many calls: {nth}");
    }
}
