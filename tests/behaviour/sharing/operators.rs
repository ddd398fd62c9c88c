//! Pausing, rewinding, skipping and removing a subscription that another process runs.

use std::time::Duration;

use kairo::{Error, Position, bus::SubscriptionInfo};
use kairo_tests::support::{Echo, Gate, Sample, eventually, logged, sample};

use super::{Cluster, Node, Run, SHARED, assert_once};

async fn info(node: &Node) -> SubscriptionInfo {
    node.kairo.subscriptions().get(SHARED).await.unwrap()
}

/// Waits until everything that is published has been passed.
async fn caught_up(cluster: &Cluster, node: &Node) {
    cluster.passing(eventually(async || info(node).await.lag == 0)).await;
}

#[tokio::test]
async fn a_pause_reaches_every_process_and_lasts_until_it_is_resumed() {
    let cluster = Cluster::new().await;
    let operator = cluster.operator().await;
    let one = cluster.node("one").await;
    operator.kairo.subscriptions().pause(SHARED).await.unwrap();
    let paused = async || !one.kairo.health().await.unwrap().is_good();
    cluster.passing(eventually(paused)).await;
    one.publish(5, 1, 1).await;
    one.leave().await;
    let two = cluster.node("two").await;
    cluster.clock.advance(Duration::from_mins(1));
    let is_mine = async || two.share().await == 32;
    cluster.passing(eventually(is_mine)).await;
    assert!(info(&operator).await.paused && cluster.runs.all().is_empty());
    operator.kairo.subscriptions().resume(SHARED).await.unwrap();
    assert_once(&cluster.ran(5, 1).await, 5, 1);
    two.leave().await;
    operator.leave().await;
}

#[tokio::test]
async fn a_rewind_lets_every_process_handle_it_again_and_publish_anew() {
    let cluster = Cluster::new().await;
    let operator = cluster.operator().await;
    let nodes = [cluster.operator().await, cluster.operator().await];
    for node in &nodes {
        let subscribe = node.kairo.subscribe::<Sample>(SHARED).from_beginning();
        subscribe.handle(async |event| Echo::from(event.payload())).await.unwrap();
    }
    cluster.shared_as(&operator, &[16, 16]).await;
    operator.publish(10, 1, 2).await;
    caught_up(&cluster, &operator).await;
    let echoes = async || logged(&operator.kairo, "echo.heard").await.len();
    assert_eq!(echoes().await, 20);
    let before = info(&operator).await.generation;
    operator.kairo.subscriptions().rewind(SHARED, Position::START).await.unwrap();
    cluster.passing(eventually(async || echoes().await == 40)).await;
    cluster.shared_as(&operator, &[16, 16]).await;
    assert!(before < info(&operator).await.generation);
    for node in nodes {
        node.leave().await;
    }
    operator.leave().await;
}

#[tokio::test]
async fn a_rewind_to_a_time_begins_with_the_first_event_from_then_on() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    one.publish(1, 1, 2).await;
    cluster.clock.advance(Duration::from_hours(1));
    let time = cluster.clock.now();
    one.publish(1, 3, 2).await;
    caught_up(&cluster, &one).await;
    let subscriptions = one.kairo.subscriptions();
    let place = subscriptions.rewind_to_time(SHARED, time).await.unwrap();
    assert_eq!(place, Position::at_sequence(2));
    let numbers = |runs: &[Run]| runs.iter().map(|(.., number)| *number).collect::<Vec<_>>();
    let runs = cluster.passing(cluster.runs.at_least(6)).await;
    assert_eq!(numbers(&runs), [1, 2, 3, 4, 3, 4]);
    cluster.clock.advance(Duration::from_hours(1));
    let place = subscriptions.rewind_to_time(SHARED, cluster.clock.now()).await.unwrap();
    assert_eq!(place, one.kairo.store().head().await.unwrap());
    one.leave().await;
}

#[tokio::test]
async fn a_skipped_event_is_never_handled_and_the_others_are() {
    let cluster = Cluster::new().await;
    let operator = cluster.operator().await;
    let one = cluster.node("one").await;
    operator.kairo.subscriptions().pause(SHARED).await.unwrap();
    cluster.passing(eventually(async || !one.kairo.health().await.unwrap().is_good())).await;
    operator.publish(1, 1, 3).await;
    let second = Position::at_sequence(2);
    operator.kairo.subscriptions().skip(SHARED, second).await.unwrap();
    operator.kairo.subscriptions().resume(SHARED).await.unwrap();
    let runs = cluster.passing(cluster.runs.at_least(2)).await;
    assert_eq!(runs.iter().map(|(.., number)| *number).collect::<Vec<_>>(), [1, 3]);
    caught_up(&cluster, &operator).await;
    let error = operator.kairo.subscriptions().skip(SHARED, second).await.unwrap_err();
    assert!(matches!(error, Error::WrongState(_)), "{error}");
    one.leave().await;
    operator.leave().await;
}

#[tokio::test]
async fn what_runs_is_finished_and_written_down_before_its_subscription_is_moved() {
    let cluster = Cluster::new().await;
    let node = cluster.operator().await;
    let (gate, runs) = (Gate::shut(), cluster.runs.clone());
    let subscribe = node.kairo.subscribe::<Sample>(SHARED);
    let pass = gate.clone();
    let handled = subscribe.handle(move |event| {
        runs.note(("one", event.key.clone(), event.number));
        let pass = pass.clone();
        async move {
            pass.pass().await;
            Echo::from(event.payload())
        }
    });
    handled.await.unwrap();
    let published = node.kairo.publish(sample("a", 1)).await.unwrap();
    cluster.runs.at_least(1).await;
    let subscriptions = node.kairo.subscriptions();
    let skip = async {
        let to = published.position().unwrap();
        subscriptions.rewind(SHARED, to).await.unwrap();
    };
    let open = async {
        tokio::task::yield_now().await;
        gate.open();
    };
    cluster.passing(async { tokio::join!(skip, open) }).await;
    assert_eq!(logged(&node.kairo, "echo.heard").await.len(), 1);
    let next = node.kairo.publish(sample("a", 2)).await.unwrap();
    assert!(cluster.passing(next.settled()).await.unwrap().all_done());
    assert_eq!(cluster.runs.all().len(), 2);
    node.leave().await;
}

#[tokio::test]
async fn what_nobody_runs_can_be_removed_and_what_somebody_runs_cannot() {
    let cluster = Cluster::new().await;
    let operator = cluster.operator().await;
    let one = cluster.node("one").await;
    let error = operator.kairo.subscriptions().remove(SHARED).await.unwrap_err();
    assert!(error.to_string().contains("is run by"), "{error}");
    one.leave().await;
    operator.kairo.subscriptions().remove(SHARED).await.unwrap();
    let left = operator.kairo.subscriptions().list().await.unwrap();
    assert!(left.iter().all(|info| info.name != SHARED));
    operator.leave().await;
}

#[tokio::test]
async fn mistakes_of_an_operator_are_named() {
    let cluster = Cluster::new().await;
    let one = cluster.node("one").await;
    let subscriptions = one.kairo.subscriptions();
    let unknown = subscriptions.pause("sharde").await.unwrap_err().to_string();
    assert!(
        unknown.contains("`sharde;") && unknown.contains("did you mean `shared`?"),
        "{unknown}"
    );
    let beyond = subscriptions.rewind(SHARED, Position::at_sequence(9)).await.unwrap_err();
    assert!(beyond.to_string().contains("the log ends at 0-0-0"), "{beyond}");
    let nothing = subscriptions.skip(SHARED, Position::at_sequence(9)).await.unwrap_err();
    assert!(matches!(nothing, Error::NotFound { .. }), "{nothing}");
    one.leave().await;
}
