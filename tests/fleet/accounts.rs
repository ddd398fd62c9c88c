//! Transactions of processes that are killed, and stopped in the middle of them until others have taken
//! over.

use std::{path::Path, time::Duration};

use kairo::{bus::Builder, clock::Clock, prelude::*, testing::leases::with_lease};
use kairo_tests::support::{Dice, Folder, accounts};

use crate::{
    server::{Kind, Server, send},
    workers::Worker,
};

/// How many processes share the accounts.
const WORKERS: usize = 3;

/// For how long a process that is silent keeps its subscription.
const LEASE: Duration = Duration::from_secs(2);

/// How long a process is stopped, in milliseconds: for longer than its lease, at the longest.
const STOPPED: (u64, u64) = (200, 3_500);

/// How many processes are killed, how many stopped, and how many calls are acknowledged, at least.
const KILLS: usize = 6;
const STOPS: usize = 3;
const ACKNOWLEDGED: usize = 200;

/// A process that keeps accounts.
pub(crate) fn bus(url: &str) -> Builder {
    with_lease(accounts::open(url), LEASE)
}

/// Serves clients until the process ends, or nobody is served any more.
pub(crate) async fn welcome(kairo: &Kairo, folder: &Path) {
    accounts::found(kairo).await;
    let closed = folder.join("closed");
    accounts::welcome(kairo, folder, move || closed.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn state_and_log_agree_though_workers_are_killed_and_stopped_in_transactions() {
    let server = Server::start(Kind::Postgres, &[]).await;
    let (folder, mut dice, url) = (Folder::new(), Dice::seeded(), server.url());
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Worker::with_accounts(&folder, &url)).collect();
    for worker in &mut workers {
        worker.runs(&folder).await;
    }
    let (clock, mut killed, mut stopped) = (Clock::system(), 0, 0);
    let calls = || accounts::acknowledged(folder.path()).len();
    while killed < KILLS || stopped < STOPS || calls() < ACKNOWLEDGED {
        clock.sleep(Duration::from_millis(dice.between(100, 900))).await;
        let index = usize::try_from(dice.between(0, WORKERS as u64)).unwrap();
        workers[index].assert_alive(&folder);
        if dice.between(0, 3) == 0 {
            send("STOP", workers[index].id);
            clock.sleep(Duration::from_millis(dice.between(STOPPED.0, STOPPED.1))).await;
            send("CONT", workers[index].id);
            stopped += 1;
        } else {
            workers.swap_remove(index).kill().await;
            workers.push(Worker::with_accounts(&folder, &url));
            killed += 1;
        }
    }
    std::fs::write(folder.file("closed"), "").unwrap();
    for worker in &mut workers {
        worker.runs(&folder).await;
    }
    let operator = bus(&url).start().await.unwrap();
    let books = accounts::audit(&operator, folder.path()).await;
    operator.shutdown().await.unwrap();
    for worker in workers {
        worker.ask_to_end(&folder).await;
    }
    println!("{killed} kills, {stopped} stops: {books:?}");
    assert!(0 < books.moves && 0 < books.knocks, "{books:?}");
}
