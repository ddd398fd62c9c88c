//! A log that finds itself on another server: after a dump was restored, and after a failover.

use std::{collections::HashSet, process::Output};

use kairo::{EventStore, prelude::*};
use kairo_tests::support::Folder;

use crate::{
    audit::{self, Ledger},
    killed::finish,
    server::{Kind, Server, program},
    until,
    worker::{SUBSCRIPTIONS, Tick, bus},
    workers::Worker,
};

/// How many events there are in each stretch of the log.
const EVENTS: u64 = 60;

/// More transactions than a fresh server has had.
const BURN: &str = "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; \
     END LOOP; END $$";

async fn publish(store: &EventStore) {
    for key in 0..EVENTS {
        let tick = [Tick { key: key % 10, waits: false }];
        store.append(format!("tick-{}", key % 10), Version::Any, tick).await.unwrap();
    }
}

fn succeeded(output: Output) -> Output {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs until everything in the log has been handled by everybody, and written down.
async fn handle_all(folder: &Folder, url: &str) {
    let kairo = bus(url, folder.path()).start().await.unwrap();
    until(async || {
        let log = audit::log(&kairo.store()).await.unwrap();
        let ledger = Ledger::read(folder);
        SUBSCRIPTIONS.iter().all(|name| ledger.unhandled(name, &log).is_empty())
    })
    .await;
    kairo.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_dump_goes_on_in_a_fresh_cluster_where_it_stopped() {
    let [old, new] =
        [Server::start(Kind::Postgres, &[]).await, Server::start(Kind::Postgres, &[]).await];
    let folder = Folder::new();
    old.run(BURN).await;
    let store = EventStore::open(&old.url()).await.unwrap();
    // Subscriptions begin with what is published after their first start.
    handle_all(&folder, &old.url()).await;
    publish(&store).await;
    handle_all(&folder, &old.url()).await;
    let handled = Ledger::read(&folder).lines.len();
    publish(&store).await;
    let before = audit::log(&store).await.unwrap();
    store.close().await.unwrap();

    let dump = folder.file("dump");
    succeeded(program("pg_dump").arg("-f").arg(&dump).args(["-d", &old.url()]).output().unwrap());
    let restore = ["-v", "ON_ERROR_STOP=1", "-q", "-d", &new.url(), "-f"];
    succeeded(program("psql").args(restore).arg(&dump).output().unwrap());

    let store = EventStore::open(&new.url()).await.unwrap();
    let ids = |log: &[AnyEvent]| log.iter().map(AnyEvent::id).collect::<Vec<_>>();
    assert_eq!(ids(&audit::log(&store).await.unwrap()), ids(&before), "no event is hidden");
    publish(&store).await;
    let after = audit::log(&store).await.unwrap();
    assert_eq!(ids(&after[..before.len()]), ids(&before), "new events lie behind the old ones");
    assert_eq!(after.len(), before.len() + usize::try_from(EVENTS).unwrap());
    audit::assert_no_gaps(&after);
    let epoch = |event: &AnyEvent| event.position().epoch;
    let last = before.last().map(epoch);
    assert!(after[before.len()..].iter().all(|event| Some(epoch(event)) == last.map(|it| it + 1)));

    handle_all(&folder, &new.url()).await;
    let lines = Ledger::read(&folder).lines;
    let [first, second] = [&lines[..handled], &lines[handled..]];
    let first: HashSet<Uuid> = first.iter().map(|line| line.event).collect();
    assert!(second.iter().all(|line| !first.contains(&line.event)), "nothing is handled again");
    store.close().await.unwrap();
}

/// Waits until so many more events are acknowledged.
async fn goes_on(folder: &Folder) {
    let before = folder.lines("acks").len();
    until(async || before + 50 <= folder.lines("acks").len()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_fleet_goes_on_after_a_failover_and_nothing_acknowledged_is_lost() {
    let mut primary = Server::start(Kind::Postgres, &[]).await;
    let mut standby = Server::standby_of(&primary).await;
    // From now on a commit is acknowledged when the standby has it, too.
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.run("SELECT pg_reload_conf()").await;
    let (folder, url) = (Folder::new(), primary.url());
    let mut worker = Worker::start(&folder, &url, true);
    worker.runs(&folder).await;
    goes_on(&folder).await;
    standby.take_place_of(&mut primary).await;
    goes_on(&folder).await;
    worker.assert_alive(&folder);
    println!("failover: {}", finish(&folder, &url, vec![worker]).await);
    let store = EventStore::open(&url).await.unwrap();
    let log = audit::log(&store).await.unwrap();
    let epochs: Vec<u32> = log.iter().map(|event| event.position().epoch).collect();
    assert!(epochs.is_sorted() && epochs.first() == Some(&0) && epochs.last() == Some(&1));
    store.close().await.unwrap();
}
