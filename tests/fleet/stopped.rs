//! A worker that is stopped in the middle of a handler, and goes on when others have taken over.

use std::collections::HashSet;

use kairo::{prelude::*, testing::leases::with_lease};
use kairo_tests::{
    note,
    support::{Folder, letters},
};

use crate::{
    audit::Ledger,
    server::{Kind, Server, send},
    until,
    worker::{LEASE, Tick, gate, trap},
    workers::Worker,
};

/// How many keys there are; both workers have some of them.
const KEYS: u64 = 40;

/// Who has partitions of a subscription, by their ids.
async fn owners(kairo: &Kairo) -> Vec<(Uuid, u32)> {
    let info = kairo.subscriptions().get("counts").await.unwrap();
    info.owners.iter().map(|owner| (owner.member, owner.partitions)).collect()
}

async fn are_two(kairo: &Kairo) -> bool {
    let owners = owners(kairo).await;
    owners.len() == 2 && owners.iter().all(|(_, partitions)| *partitions == 16)
}

async fn publish(kairo: &Kairo, waits: bool) {
    let ticks = (0..KEYS).map(|key| Tick { key, waits });
    let _ = kairo.publish_all(ticks).await.unwrap();
}

/// Whether the store knows that everything has been handled.
async fn is_all_recorded(kairo: &Kairo) -> bool {
    let info = kairo.subscriptions().get("counts").await.unwrap();
    info.lag == 0 && info.parked == 0
}

/// What workers have done of the subscription that waits.
fn done(folder: &Folder, what: &str, by: u32) -> HashSet<Uuid> {
    let lines = Ledger::read(folder).lines.into_iter();
    let own = lines.filter(|it| it.subscription == "counts" && it.what == what && it.process == by);
    own.map(|line| line.event).collect()
}

async fn stop_and_go_on(kind: Kind) {
    let server = Server::start(kind, &[]).await;
    let (folder, url) = (Folder::new(), server.url());
    let [mut stopped, mut other] = [(); 2].map(|()| Worker::start(&folder, &url, false));
    stopped.runs(&folder).await;
    other.runs(&folder).await;
    let bus = with_lease(Kairo::builder().store(&url).only(note), LEASE);
    let operator = bus.start().await.unwrap();
    until(async || are_two(&operator).await).await;
    let before: HashSet<Uuid> = owners(&operator).await.iter().map(|(id, _)| *id).collect();

    // One of them waits in the middle of what it has begun; the other one does not.
    std::fs::write(gate(folder.path(), other.id), "").unwrap();
    publish(&operator, true).await;
    until(async || !done(&folder, "begin", stopped.id).is_empty()).await;
    send("STOP", stopped.id);
    until(async || is_all_recorded(&operator).await).await;
    assert_eq!(owners(&operator).await.iter().map(|it| it.1).sum::<u32>(), 32);
    assert_eq!(done(&folder, "end", other.id).len() as u64, KEYS);

    // What it has begun fails for good when it goes on, with as many letters if it could write them.
    std::fs::write(trap(folder.path(), stopped.id), "").unwrap();
    std::fs::write(gate(folder.path(), stopped.id), "").unwrap();
    send("CONT", stopped.id);
    until(async || are_two(&operator).await).await;
    let after: HashSet<Uuid> = owners(&operator).await.iter().map(|(id, _)| *id).collect();
    assert_eq!(before.intersection(&after).count(), 1, "it has joined as another");
    assert!(letters(&operator).await.is_empty());
    println!("{} runs went on too late", done(&folder, "fail", stopped.id).len());

    publish(&operator, false).await;
    until(async || is_all_recorded(&operator).await).await;
    let [again, also] = [stopped.id, other.id].map(|id| done(&folder, "end", id).len() as u64);
    assert!(0 < again && KEYS < also && again + also == 2 * KEYS, "{again} and {also}");
    assert!(letters(&operator).await.is_empty());
    operator.shutdown().await.unwrap();
    stopped.ask_to_end(&folder).await;
    other.ask_to_end(&folder).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_worker_on_postgres_that_was_stopped_records_nothing_and_joins_again() {
    stop_and_go_on(Kind::Postgres).await;
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_worker_on_redis_that_was_stopped_records_nothing_and_joins_again() {
    stop_and_go_on(Kind::Redis).await;
}
