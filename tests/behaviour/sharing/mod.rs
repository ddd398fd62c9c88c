//! Many processes on one store: each of these buses is one, as far as the store can tell.

mod chance;
mod operators;
mod outcomes;
mod shares;

use std::{collections::HashMap, sync::Arc, time::Duration};

use kairo::{
    backend,
    clock::Clock,
    delivery::Backend,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Journal, Place, Sample, midnight, passing};

/// The name under which the buses subscribe.
const SHARED: &str = "shared";

/// How fast time passes while something is waited for.
const STEP: Duration = Duration::from_millis(100);

/// A handled event: by whom, of which key, and its number.
type Run = (&'static str, String, u64);

/// A store that several buses share, and what their handlers have seen.
struct Cluster {
    clock: Clock,
    store: Arc<dyn Backend>,
    runs: Journal<Run>,
}

/// One bus of a cluster.
struct Node {
    kairo: Kairo,
    store: Arc<FaultyStore>,
}

impl Cluster {
    async fn new() -> Self {
        let clock = Clock::manual(midnight());
        let store = backend::open("memory:?shared=true", &clock).await.unwrap();
        Self { clock, store, runs: Journal::new() }
    }

    /// A bus that handles nothing.
    async fn operator(&self) -> Node {
        self.bus(&self.clock).await
    }

    async fn bus(&self, clock: &Clock) -> Node {
        let store = Arc::new(FaultyStore::new(Arc::clone(&self.store)));
        // A process that goes closes its own connections, not the server.
        store.fail_where(|_, call| matches!(call, Call::Close).then_some(When::Before));
        let builder = Place::memory().bare().backend(Arc::clone(&store) as _);
        let builder = builder.clock(clock.clone()).circuit_breaker(false);
        let kairo = builder.start().await.unwrap();
        Node { kairo, store }
    }

    /// A bus that notes what it handles.
    async fn node(&self, name: &'static str) -> Node {
        let node = self.operator().await;
        node.note_runs(name, &self.runs).await;
        node
    }

    /// What the future brings, while time passes.
    async fn passing<F: Future>(&self, future: F) -> F::Output {
        passing(&self.clock, STEP, future).await
    }

    /// Waits until the shares of the buses are as large as this, the smallest first; a single one
    /// is that of `node`.
    async fn shared_as(&self, node: &Node, expected: &[u32]) {
        let is_so = async || {
            let info = node.kairo.subscriptions().get(SHARED).await.unwrap();
            let mut shares: Vec<_> = info.owners.iter().map(|owner| owner.partitions).collect();
            shares.sort_unstable();
            shares == expected && (1 < expected.len() || node.share().await == expected[0])
        };
        self.passing(kairo_tests::support::eventually(is_so)).await;
    }

    /// Waits until every number of every key has run.
    async fn ran(&self, keys: u64, each: u64) -> Vec<Run> {
        let is_done = |runs: &[Run]| first_runs(runs).values().map(Vec::len).sum::<usize>();
        let count = usize::try_from(keys * each).unwrap();
        self.passing(self.runs.until(|runs| is_done(runs) == count)).await
    }
}

impl Node {
    async fn note_runs(&self, name: &'static str, runs: &Journal<Run>) {
        let runs = runs.clone();
        let handled = self.kairo.subscribe::<Sample>(SHARED).from_beginning().handle(
            move |event: Envelope<Sample>| {
                runs.note((name, event.key.clone(), event.number));
                async {}
            },
        );
        handled.await.unwrap();
    }

    /// Publishes so many numbers of each key, from `first`.
    async fn publish(&self, keys: u64, first: u64, each: u64) {
        for number in first..first + each {
            for key in 0..keys {
                let sample = kairo_tests::support::sample(key, number);
                let _ = self.kairo.publish(sample).await.unwrap();
            }
        }
    }

    /// How many partitions it has.
    async fn share(&self) -> u32 {
        let health = self.kairo.health().await.unwrap();
        let found = health.subscriptions.iter().find(|it| it.name == SHARED);
        found.map_or(0, |found| found.partitions)
    }

    /// Shuts down as a process does that is asked to end.
    async fn leave(self) {
        // The store refuses to be closed, because others are still there.
        self.kairo.shutdown().await.unwrap_err();
    }

    /// Dies: its store hears no more of it.
    fn crash(self) {
        self.store.crash_nth(self.store.calls() + 1, When::Before);
        self.kairo.stop_at_once();
    }
}

/// The numbers of each key in the order in which they first ran.
fn first_runs(runs: &[Run]) -> HashMap<&str, Vec<u64>> {
    let mut first: HashMap<&str, Vec<u64>> = HashMap::new();
    for (_, key, number) in runs {
        let numbers = first.entry(key).or_default();
        if !numbers.contains(number) {
            numbers.push(*number);
        }
    }
    first
}

/// No number of a key begins before a smaller one.
#[track_caller]
fn assert_in_order(runs: &[Run]) {
    for (key, numbers) in first_runs(runs) {
        assert!(numbers.is_sorted(), "key {key}: {numbers:?}");
    }
}

/// Each number of each key has run, and once.
#[track_caller]
fn assert_once(runs: &[Run], keys: u64, each: u64) {
    assert_in_order(runs);
    assert_eq!(runs.len() as u64, keys * each, "{runs:?}");
}
