//! A subscription that reads a long log from its beginning: its speed, and the memory it takes.

#[allow(dead_code, reason = "each bench uses its part")]
mod deposits;
#[allow(dead_code, reason = "each bench uses its part")]
mod runner;

use std::{env, fs, path::Path, process::Command};

use deposits::{Deposited, Deposits, Folder, catch_up, fill};
use kairo::Kairo;
use runner::{Promise, Runner, Stopwatch, state};
use rusqlite::Connection;
use tokio::runtime::{self, Runtime};

/// How long the log is.
const EVENTS: u64 = 1_000_000;

/// How the bench calls itself to measure a process that does nothing else.
const CHILD: &str = "--memory-of";

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(child) = arguments.iter().position(|argument| argument == CHILD) {
        let events = arguments[child + 2].parse().expect("a number of events");
        return runtime.block_on(child_of(&arguments[child + 1], events));
    }
    let runner =
        Runner::new("catch_up: a log that is there already, by a handler that does nothing");
    let events = runner.work(EVENTS);
    let folder = Folder::new();
    let file = folder.file("kairo.db");
    let url = format!("sqlite:{}?synchronous=normal", file.display());
    runtime.block_on(fill(&url, events));
    speed(&runner, &runtime, &file, &url, events);
    memory(&url, events);
}

fn speed(runner: &Runner, runtime: &Runtime, file: &Path, url: &str, events: u64) {
    let mut round = 0;
    runner.compare(
        &format!("{events} events, against reading and decoding by hand"),
        "/s",
        Promise::From(0.5),
        || {
            let watch = Stopwatch::start();
            assert_eq!(by_hand(file).expect("the log can be read"), events);
            watch.per_second(events)
        },
        || {
            round += 1;
            runtime.block_on(async {
                let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
                let watch = Stopwatch::start();
                catch_up(&kairo, format!("round-{round}"), events).await;
                let rate = watch.per_second(events);
                kairo.shutdown().await.expect("the store closes");
                rate
            })
        },
    );
}

/// Reads the whole log in one statement; how many events it has.
fn by_hand(file: &Path) -> rusqlite::Result<u64> {
    let connection = Connection::open(file)?;
    let mut select = connection.prepare("SELECT payload FROM kairo_event ORDER BY sequence")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let event: Deposited = serde_json::from_str(row.get_ref(0)?.as_str()?)
            .expect("it was written as the same type");
        count += u64::from(event.amount == 1_250);
    }
    Ok(count)
}

/// Reads the memory of processes of their own, where the system tells it.
fn memory(url: &str, events: u64) {
    let fresh = Folder::new();
    let idle = format!("sqlite:{}", fresh.file("kairo.db").display());
    for (row, bound, url, events) in [
        ("idle, after one event", 20.0, idle.as_str(), 1),
        ("after a quarter of the log", 100.0, url, events / 4),
        ("after the whole log", 100.0, url, events),
    ] {
        match resident_of(url, events) {
            Some(mebibytes) => state(row, "MiB of memory at the most", bound, mebibytes),
            None => println!("  {row}: this system does not tell the memory of a process"),
        }
    }
}

/// The most memory that a process had resident which handled so many events, in MiB.
fn resident_of(url: &str, events: u64) -> Option<f64> {
    let program = env::current_exe().expect("the bench has a file");
    let child = Command::new(program).args([CHILD, url, &events.to_string()]).output();
    let output = child.expect("the bench can start itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kibibytes: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
    Some(kibibytes / 1_024.0)
}

/// Handles so many events of a log, the last of which it publishes itself if there are none, and
/// prints the most memory that this took.
async fn child_of(url: &str, events: u64) {
    let kairo = Kairo::builder().store(url).start().await.expect("the store opens");
    if events == 1 {
        let _ = kairo.publish(Deposits::new().next().0).await.expect("the store takes it");
    }
    catch_up(&kairo, format!("first-{events}"), events).await;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("", |peak| peak.trim().trim_end_matches(" kB")));
    kairo.stop_at_once();
}
