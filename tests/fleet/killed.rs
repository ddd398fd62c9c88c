//! Workers that are killed, and servers that are restarted, while everybody works.

use std::time::Duration;

use kairo::clock::Clock;
use kairo_tests::support::{Dice, Folder};

use crate::{
    audit::audit,
    server::{End, Kind, Server},
    stretch,
    worker::LEASE,
    workers::Worker,
};

/// How many processes share the work.
const WORKERS: usize = 3;

/// Does something again and again for as long as fleets are disturbed; how often that was.
async fn again_and_again(mut disturb: impl AsyncFnMut(usize)) -> usize {
    let (clock, stretch) = (Clock::system(), i64::try_from(stretch().as_secs()).unwrap());
    let (begun, mut times) = (clock.now(), 0);
    while clock.now().as_second() - begun.as_second() < stretch {
        disturb(times).await;
        times += 1;
    }
    times
}

async fn pause(dice: &mut Dice, low: u64, high: u64) {
    Clock::system().sleep(Duration::from_millis(dice.between(low, high))).await;
}

async fn fleet(folder: &Folder, url: &str) -> Vec<Worker> {
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Worker::start(folder, url, true)).collect();
    for worker in &mut workers {
        worker.runs(folder).await;
    }
    workers
}

/// Ends the publishers, and lets somebody who does not publish see to what is left.
pub(crate) async fn finish(folder: &Folder, url: &str, workers: Vec<Worker>) -> String {
    let mut last = Worker::start(folder, url, false);
    for worker in workers {
        worker.ask_to_end(folder).await;
    }
    last.runs(folder).await;
    let told = audit(folder, url).await;
    last.ask_to_end(folder).await;
    told
}

/// Kills one worker after the other and starts others.
async fn kill_workers(kind: Kind) {
    let server = Server::start(kind, &[]).await;
    let (folder, mut dice, url) = (Folder::new(), Dice::seeded(), server.url());
    let mut workers = fleet(&folder, &url).await;
    let kills = again_and_again(async |_| {
        pause(&mut dice, 1_000, 2_500).await;
        let index = usize::try_from(dice.between(0, WORKERS as u64)).unwrap();
        workers[index].assert_alive(&folder);
        workers.swap_remove(index).kill().await;
        workers.push(Worker::start(&folder, &url, true));
    })
    .await;
    println!("{kind:?}, {kills} kills: {}", finish(&folder, &url, workers).await);
}

/// Ends the server and starts it again, in all ways in turn.
async fn restart_server(kind: Kind) {
    let mut server = Server::start(kind, &[]).await;
    let (folder, mut dice, url) = (Folder::new(), Dice::seeded(), server.url());
    let mut workers = fleet(&folder, &url).await;
    let restarts = again_and_again(async |time| {
        pause(&mut dice, 1_000, 2_500).await;
        server.end(if time % 2 == 0 { End::Crash } else { End::Fast });
        // Everybody's lease runs out now and then.
        if time % 3 == 1 {
            Clock::system().sleep(LEASE + Duration::from_millis(500)).await;
        }
        server.start_again().await;
        for worker in &mut workers {
            worker.assert_alive(&folder);
        }
    })
    .await;
    println!("{kind:?}, {restarts} restarts: {}", finish(&folder, &url, workers).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn workers_on_postgres_can_be_killed() {
    kill_workers(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn workers_on_redis_can_be_killed() {
    kill_workers(Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn postgres_can_be_restarted_under_load() {
    restart_server(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: run ./test"]
async fn redis_can_be_restarted_under_load() {
    restart_server(Kind::Redis).await;
}
