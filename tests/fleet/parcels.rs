//! Sagas of processes that are killed, and stopped in the middle of what they do until others have
//! taken over.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use kairo::{bus::Builder, clock::Clock, prelude::*, testing::leases::with_lease};
use kairo_tests::support::{
    Dice, Folder,
    parcels::{Ledger, Parcel, Plan, Services, What, acknowledged, audit, order, settle},
};
use sqlx::Row;

use crate::{
    server::{Kind, Server, send},
    until,
    workers::Worker,
};

/// How many processes share the sagas.
const WORKERS: usize = 3;

/// For how long a process that is silent keeps its sagas.
const LEASE: Duration = Duration::from_secs(2);

/// How many customers a process has.
const CUSTOMERS: usize = 3;

/// How many sagas are started, and how many processes killed, at least.
const PARCELS: usize = 500;
const KILLS: usize = 12;

/// How many processes are stopped and go on, at least, where any are.
const STOPS: usize = 6;

/// The sagas that go on by themselves, and under which epoch.
const LIVE: &str = "SELECT key, epoch FROM kairo_saga WHERE phase IN ('running', 'compensating')";

/// Those of them that nobody is changing. A process that is stopped in the middle of a transaction
/// holds a saga until the server ends that, after a minute.
const UNLOCKED: &str = "SELECT key, epoch FROM kairo_saga \
     WHERE phase IN ('running', 'compensating') FOR UPDATE SKIP LOCKED";

/// A process that carries parcels on.
pub(crate) fn bus(url: &str, folder: &Path) -> Builder {
    let parcel = Parcel { services: Services::open(folder) };
    with_lease(Kairo::builder().store(url).without_handlers().saga(parcel), LEASE)
}

/// What is there once nobody shall order any more.
fn closed(folder: &Path) -> PathBuf {
    folder.join("closed")
}

/// Lets customers order until the process ends, or nobody shall any more.
pub(crate) fn welcome(kairo: &Kairo, folder: &Path) {
    for _ in 0..CUSTOMERS {
        let dice = Dice::of(u64::from(Clock::system().draw()));
        tokio::spawn(send_orders(kairo.clone(), folder.to_owned(), dice));
    }
}

async fn send_orders(kairo: Kairo, folder: PathBuf, mut dice: Dice) {
    while !closed(&folder).exists() {
        match order(&kairo, &folder, dice.between(0, u64::MAX)).await {
            Err(kairo::Error::Closed) => return,
            Err(error) => eprintln!("an order was not taken: {error}"),
            Ok(_) => {}
        }
        Clock::system().sleep(Duration::from_millis(dice.between(50, 250))).await;
    }
}

/// The epochs of sagas, by their numbers.
async fn epochs(server: &Server, select: &'static str) -> HashMap<u64, u64> {
    let rows = sqlx::query(select).fetch_all(&mut server.raw().await).await.unwrap();
    let of_row = |row: sqlx::postgres::PgRow| {
        let (key, epoch): (String, i64) = (row.get(0), row.get(1));
        (key.parse().unwrap(), u64::try_from(epoch).unwrap())
    };
    rows.into_iter().map(of_row).collect()
}

/// The sagas of which a process that is stopped has begun something without coming to its end.
async fn cut(server: &Server, ledger: &Ledger, process: u32) -> HashMap<u64, u64> {
    let mut cut = epochs(server, UNLOCKED).await;
    cut.retain(|number, epoch| {
        let lines = ledger.of(*number);
        let says = |what: What| {
            let own = lines.iter().filter(move |it| it.what == what && it.call.process == process);
            own.filter(|it| it.call.epoch == *epoch).count()
        };
        says(What::End) < says(What::Begin)
    });
    cut
}

/// Stops a process in the middle of a step or more, and lets it go on once others have taken over
/// what it had, or have even brought it to its end; whether there was such a step.
async fn stop(worker: &Worker, server: &Server, ledger: &Ledger, to_the_end: bool) -> bool {
    send("STOP", worker.id);
    let cut = cut(server, ledger, worker.id).await;
    until(async || {
        let live = epochs(server, LIVE).await;
        cut.iter().all(|(number, epoch)| match live.get(number) {
            Some(now) => !to_the_end && epoch < now,
            None => true,
        })
    })
    .await;
    send("CONT", worker.id);
    !cut.is_empty()
}

async fn disturb(stubborn: bool, stops: usize) {
    let server = Server::start(Kind::Postgres, &[]).await;
    let (folder, mut dice, url) = (Folder::new(), Dice::seeded(), server.url());
    Plan { luck: dice.between(0, u64::MAX), stubborn }.write(folder.path());
    let ledger = Ledger::open(folder.path());
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Worker::with_parcels(&folder, &url)).collect();
    for worker in &mut workers {
        worker.runs(&folder).await;
    }
    let (mut killed, mut stopped) = (0, 0);
    while killed < KILLS || stopped < stops || acknowledged(folder.path()).len() < PARCELS {
        Clock::system().sleep(Duration::from_millis(dice.between(300, 1_500))).await;
        let index = usize::try_from(dice.between(0, WORKERS as u64)).unwrap();
        workers[index].assert_alive(&folder);
        if stopped < stops && dice.between(0, 2) == 0 {
            workers[index].runs(&folder).await;
            stopped += usize::from(stop(&workers[index], &server, &ledger, stopped % 2 == 0).await);
        } else {
            workers.swap_remove(index).kill().await;
            workers.push(Worker::with_parcels(&folder, &url));
            killed += 1;
        }
    }
    std::fs::write(closed(folder.path()), "").unwrap();
    let mut last = Worker::with_parcels(&folder, &url);
    for worker in workers {
        worker.ask_to_end(&folder).await;
    }
    last.runs(&folder).await;
    let operator = with_lease(Kairo::builder().store(&url).without_handlers(), LEASE);
    let operator = operator.start().await.unwrap();
    let stuck = settle(&operator, folder.path()).await;
    let tally = audit(&operator, folder.path(), false).await;
    operator.shutdown().await.unwrap();
    last.ask_to_end(&folder).await;
    println!("{killed} kills, {stopped} stops: {tally}; {stuck} were stuck");
    assert!(0 < tally.completed && 0 < tally.compensated && 0 < tally.taken_over);
    assert!(stops == 0 || 0 < tally.late, "nothing that was stopped has gone on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn sagas_of_workers_that_are_killed_end_and_leave_no_half_done_thing() {
    disturb(false, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./test"]
async fn sagas_of_workers_that_are_stopped_in_a_step_are_undone_though_compensations_fail_at_first()
{
    disturb(true, STOPS).await;
}
