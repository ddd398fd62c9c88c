//! Who runs what: shares, hand-overs, and what a crash leaves behind.

use std::time::Duration;

use kairo::{
    clock::Clock,
    lease::LEASE,
    prelude::*,
    testing::faults::{Call, When},
};
use kairo_tests::support::{
    Gate, Journal, Sample, eventually, letters, midnight, passing, sample, soon,
};

use super::{Cluster, Node, SHARED, STEP, assert_in_order, assert_once};

#[tokio::test]
async fn two_buses_share_the_work_and_each_event_is_handled_once() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let two = cluster.node("two").await;
    cluster.shared_as(&one, &[16, 16]).await;
    one.publish(40, 1, 5).await;
    let runs = cluster.ran(40, 5).await;
    assert_once(&runs, 40, 5);
    for name in ["one", "two"] {
        assert!(runs.iter().any(|(node, ..)| *node == name), "{name} has handled nothing");
    }
    one.leave().await;
    two.leave().await;
}

#[tokio::test]
async fn a_bus_that_is_alone_has_it_all_from_its_start() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let info = one.kairo.subscriptions().get(SHARED).await.unwrap();
    assert_eq!(info.owners.iter().map(|owner| owner.partitions).sum::<u32>(), 32);
    assert!(info.owners.iter().all(|owner| owner.is_here));
    let published = one.kairo.publish(sample("a", 1)).await.unwrap();
    assert!(soon(published.settled()).await.unwrap().all_done());
    one.leave().await;
}

#[tokio::test]
async fn whoever_joins_gets_a_share_while_events_flow() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    one.publish(50, 1, 4).await;
    let two = cluster.node("two").await;
    one.publish(50, 5, 4).await;
    cluster.shared_as(&one, &[16, 16]).await;
    let three = cluster.node("three").await;
    one.publish(50, 9, 4).await;
    cluster.shared_as(&one, &[10, 11, 11]).await;
    one.publish(50, 13, 4).await;
    let runs = cluster.ran(50, 16).await;
    assert_once(&runs, 50, 16);
    for node in [one, two, three] {
        node.leave().await;
    }
}

#[tokio::test]
async fn whoever_leaves_hands_over_at_once_and_nothing_is_repeated() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let two = cluster.node("two").await;
    cluster.shared_as(&one, &[16, 16]).await;
    one.publish(50, 1, 10).await;
    let before = cluster.clock.now();
    cluster.passing(two.leave()).await;
    cluster.shared_as(&one, &[32]).await;
    let waited = cluster.clock.now() - before;
    assert!(waited.get_seconds() < 5, "it waited for {waited}");
    one.publish(50, 11, 2).await;
    let runs = cluster.ran(50, 12).await;
    assert_once(&runs, 50, 12);
    one.leave().await;
}

/// A handler that stays in the event `stuck` until the gate lets it go, and then fails for good.
async fn stuck(node: &Node, runs: &Journal<u64>, gate: &Gate) {
    let (runs, gate) = (runs.clone(), gate.clone());
    let subscribe = node.kairo.subscribe::<Sample>(SHARED).from_beginning();
    let handled = subscribe.timeout(Duration::from_hours(1)).handle(move |event| {
        runs.note(event.number);
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Err::<(), _>(Failure::permanent("too late"))
        }
    });
    handled.await.unwrap();
}

#[tokio::test]
async fn after_a_crash_others_take_over_when_the_lease_has_run_out() {
    let cluster = Cluster::new().await;
    let (begun, gate) = (Journal::new(), Gate::shut());
    let one = cluster.operator().await;
    stuck(&one, &begun, &gate).await;
    one.publish(20, 1, 3).await;
    begun.at_least(8).await;
    let died = cluster.clock.now();
    one.crash();
    let two = cluster.node("two").await;
    assert!(cluster.runs.all().is_empty());
    cluster.shared_as(&two, &[32]).await;
    let waited = (cluster.clock.now() - died).get_seconds();
    assert!((25..=41).contains(&waited), "it took {waited} s");
    let runs = cluster.ran(20, 3).await;
    assert_once(&runs, 20, 3);
    assert!(letters(&two.kairo).await.is_empty());
    two.leave().await;
}

#[tokio::test]
async fn a_handler_that_hangs_delays_a_hand_over_by_seconds_only() {
    let cluster = Cluster::new().await;
    let (begun, gate) = (Journal::new(), Gate::shut());
    let one = cluster.operator().await;
    stuck(&one, &begun, &gate).await;
    one.publish(2, 1, 2).await;
    begun.at_least(2).await;
    let before = cluster.clock.now();
    let two = cluster.operator().await;
    stuck(&two, &begun, &gate).await;
    cluster.shared_as(&one, &[16, 16]).await;
    let waited = (cluster.clock.now() - before).get_seconds();
    assert!((10..20).contains(&waited), "it took {waited} s");
    // What hung begins again, before what follows it, and nothing of it counts.
    assert_eq!(cluster.passing(begun.at_least(4)).await, [1; 4]);
    assert!(letters(&one.kairo).await.is_empty());
    gate.open();
    cluster.passing(eventually(async || letters(&one.kairo).await.len() == 4)).await;
    assert_eq!(begun.all()[4..], [2, 2]);
    assert!(letters(&one.kairo).await.iter().all(|letter| letter.attempts == 1));
    one.leave().await;
    two.leave().await;
}

#[tokio::test]
async fn an_owner_that_slept_through_its_lease_records_nothing_and_joins_again() {
    let cluster = Cluster::new().await;
    // Its clock stands still, and with it all that it does by itself.
    let (own, begun, gate) = (Clock::manual(midnight()), Journal::new(), Gate::shut());
    let asleep = cluster.bus(&own).await;
    stuck(&asleep, &begun, &gate).await;
    asleep.publish(20, 1, 3).await;
    begun.at_least(8).await;
    let awake = cluster.node("awake").await;
    cluster.shared_as(&awake, &[32]).await;
    let runs = cluster.ran(20, 3).await;
    assert_once(&runs, 20, 3);
    gate.open();
    // What it had begun ends now, and so do the letters that it would write.
    eventually(async || asleep.share().await == 0).await;
    assert!(letters(&awake.kairo).await.is_empty());
    let is_shared = async || {
        let info = awake.kairo.subscriptions().get(SHARED).await.unwrap();
        info.owners.iter().map(|owner| owner.partitions).eq([16, 16])
    };
    Box::pin(passing(&own, STEP, cluster.passing(eventually(is_shared)))).await;
    assert!(letters(&awake.kairo).await.is_empty());
    awake.leave().await;
    cluster.clock.advance(LEASE);
    asleep.kairo.stop_at_once();
}

#[tokio::test]
async fn a_bus_that_cannot_renew_stops_what_it_runs_and_goes_on_as_another() {
    let cluster = Cluster::new().await;
    let (begun, gate) = (Journal::new(), Gate::shut());
    let node = cluster.operator().await;
    stuck(&node, &begun, &gate).await;
    let first = node.kairo.subscriptions().get(SHARED).await.unwrap().owners[0].member;
    let _ = node.kairo.publish(sample("a", 1)).await.unwrap();
    begun.at_least(1).await;
    let away = |_: u64, call: Call<'_>| {
        matches!(call, Call::Renew | Call::Join | Call::Close).then_some(When::Before)
    };
    node.store.fail_where(away);
    cluster.passing(eventually(async || node.share().await == 0)).await;
    assert!(30 <= cluster.clock.now().as_second());
    gate.open();
    assert!(letters(&node.kairo).await.is_empty());
    node.store.fail_where(|_, call| matches!(call, Call::Close).then_some(When::Before));
    cluster.passing(eventually(async || !letters(&node.kairo).await.is_empty())).await;
    let owner = node.kairo.subscriptions().get(SHARED).await.unwrap().owners[0].member;
    assert_ne!(owner, first);
    assert_eq!(begun.all(), [1, 1]);
    node.leave().await;
}

#[tokio::test]
async fn at_rest_nobody_stops_or_claims_anything() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node("one").await, cluster.node("two").await, cluster.node("three").await];
    cluster.shared_as(&nodes[0], &[10, 11, 11]).await;
    let epochs = async || {
        let rows = cluster.store.subscriptions().await.unwrap();
        let mut epochs: Vec<_> = rows[0].shares.iter().map(|share| share.epoch).collect();
        epochs.sort_unstable();
        epochs
    };
    let before = epochs().await;
    let until = kairo::clock::Timestamp::from_second(cluster.clock.now().as_second() + 60);
    cluster.passing(cluster.clock.sleep_until(until.unwrap())).await;
    nodes[0].publish(20, 1, 2).await;
    cluster.ran(20, 2).await;
    assert_eq!(epochs().await, before);
    for node in nodes {
        node.leave().await;
    }
}

#[tokio::test]
async fn only_those_who_can_run_a_subscription_get_a_share_of_it() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let other = cluster.operator().await;
    other.kairo.subscribe::<Sample>("other").handle(async |_| ()).await.unwrap();
    cluster.clock.advance(Duration::from_mins(1));
    cluster.shared_as(&one, &[32]).await;
    one.publish(10, 1, 2).await;
    assert_in_order(&cluster.ran(10, 2).await);
    one.leave().await;
    other.leave().await;
}
