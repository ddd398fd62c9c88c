//! A process that is asked to end, and asked again because a handler of its never does.

use std::{path::Path, process::Command};

use kairo::{
    bus::{Builder, Condition},
    clock::Clock,
    prelude::*,
};
use kairo_tests::support::{Book, Folder, eventually, letters, midnight};
use tokio::process::Child;

use crate::{audit, parent};

#[event("door.knocked")]
struct Knock {
    #[key]
    door: u64,
}

/// Who answers the door.
struct Porter {
    book: Book,
    sleeps: bool,
}

#[handler(event = "door.knocked", name = "answers")]
async fn answers(_knock: &Knock, porter: State<Porter>) {
    porter.book.note("knocked");
    if porter.sleeps {
        std::future::pending::<()>().await;
    }
    porter.book.note("opened");
}

fn open(folder: &Path, sleeps: bool) -> Builder {
    Kairo::builder()
        .store(format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
        .state(Porter { book: Book::open(&folder.join("ledger")), sleeps })
        .only(answers)
}

/// Publishes an event whose handler never ends, until signals end the process: time stands still,
/// so neither the handler's time nor that of the shutdown is ever up.
pub(crate) async fn life(folder: &Path) {
    let clock = Clock::manual(midnight());
    let kairo = open(folder, true).clock(clock).start().await.unwrap();
    kairo.subscribe_any("idle", "door.left").handle(async |_| ()).await.unwrap();
    let tell = async {
        let _ = kairo.publish(Knock { door: 1 }).await.unwrap();
        eventually(async || is_stopping(&kairo).await).await;
        Book::open(&folder.join("ledger")).note("stopping");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        done = kairo.run_until_signal() => done.unwrap(),
        () = tell => {}
    }
}

/// What has nothing to do ends as soon as the bus stops.
async fn is_stopping(kairo: &Kairo) -> bool {
    let health = kairo.health().await.unwrap();
    let mut subscriptions = health.subscriptions.into_iter();
    subscriptions.any(|it| it.name == "idle" && it.condition == Condition::Stopped)
}

/// Sends signals in this order.
fn send(signals: &[&str], child: &Child) {
    let id = child.id().unwrap();
    let kills: Vec<_> = signals.iter().map(|signal| format!("kill -{signal} {id}")).collect();
    assert!(Command::new("sh").args(["-c", &kills.join(";")]).status().unwrap().success());
}

pub(crate) async fn check() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["TERM"], &["TERM"]),
        (&["TERM"], &["INT"]),
        // Both are there when the process goes on, before it can wait for the second.
        (&["STOP", "TERM", "INT", "CONT"], &[]),
    ];
    for (first, second) in cases {
        let folder = Folder::new();
        let child = parent::start(&folder, "signals", 0);
        let noted = async |line: &str| folder.lines("ledger").iter().any(|its| its == line);
        eventually(async || noted("knocked").await).await;
        send(first, &child);
        if !second.is_empty() {
            eventually(async || noted("stopping").await).await;
            send(second, &child);
        }
        let status = parent::ends(child).await;
        assert!(status.success(), "{status}: {}", folder.complaints());
        audit::integrity(&folder);

        let kairo = open(folder.path(), false).start().await.unwrap();
        eventually(async || noted("opened").await).await;
        assert_eq!(folder.lines("ledger").iter().filter(|line| *line == "knocked").count(), 2);
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    }
}
