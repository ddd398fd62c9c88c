//! The process of a fleet: it publishes and handles until somebody ends it.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use kairo::{bus::Builder, clock::Clock, prelude::*, testing::leases::with_lease};
use kairo_tests::support::{Book, Dice};
use tokio::runtime::Runtime;

use crate::{accounts, parcels};

/// What tells the binary where its fleet meets.
pub(crate) const FOLDER: &str = "KAIRO_FLEET_FOLDER";
/// Which store it works on.
pub(crate) const URL: &str = "KAIRO_FLEET_URL";
/// Whether it publishes, too.
pub(crate) const PUBLISHES: &str = "KAIRO_FLEET_PUBLISHES";
/// Whether it carries parcels on instead.
pub(crate) const PARCELS: &str = "KAIRO_FLEET_PARCELS";
/// Whether it keeps accounts instead.
pub(crate) const ACCOUNTS: &str = "KAIRO_FLEET_ACCOUNTS";

/// The lease of a fleet's processes.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How many publishers a process has.
const PUBLISHERS: u64 = 3;

/// How many keys there are, for all publishers of all processes.
const KEYS: u64 = 24;

/// How often a process tries to start.
const STARTS_MAX: usize = 5;

/// The subscriptions of a fleet.
pub(crate) const SUBSCRIPTIONS: [&str; 2] = ["counts", "echoes"];

#[event("fleet.ticked")]
pub(crate) struct Tick {
    #[key]
    pub(crate) key: u64,
    /// Whether whoever handles it waits until a gate is open.
    pub(crate) waits: bool,
}

/// Returned by one of the handlers: there is one for each tick.
#[event("fleet.echoed")]
pub(crate) struct Echo {
    #[key]
    pub(crate) key: u64,
    pub(crate) of: Uuid,
}

/// What the handlers of a process share.
#[derive(Debug)]
struct Desk {
    ledger: Book,
    /// Lets those who wait in this process go on.
    gate: PathBuf,
    /// Lets them fail for good.
    trap: PathBuf,
}

impl Desk {
    fn note(&self, context: &Context, what: &str) {
        let id = context.event().map(AnyEvent::id).unwrap_or_default();
        let process = std::process::id();
        self.ledger.note(&format!("{} {id} {what} {process}", context.subscription()));
    }
}

#[handler(event = "fleet.ticked", name = "counts", timeout = "1h")]
async fn counts(tick: &Tick, desk: State<Desk>, context: Context) -> Result<(), Failure> {
    desk.note(&context, "begin");
    if tick.waits {
        while !desk.gate.exists() {
            Clock::system().sleep(Duration::from_millis(20)).await;
        }
        if desk.trap.exists() {
            desk.note(&context, "fail");
            return Err(Failure::permanent("it went on too late"));
        }
    }
    desk.note(&context, "end");
    Ok(())
}

#[handler(event = "fleet.ticked", name = "echoes", concurrency = 4)]
async fn echoes(tick: Envelope<Tick>, desk: State<Desk>, context: Context) -> Echo {
    desk.note(&context, "begin");
    tokio::task::yield_now().await;
    desk.note(&context, "end");
    Echo { key: tick.key, of: tick.id() }
}

/// What is there when those who wait in a process may go on.
pub(crate) fn gate(folder: &Path, process: u32) -> PathBuf {
    folder.join(format!("gate-{process}"))
}

/// What is there when they shall fail.
pub(crate) fn trap(folder: &Path, process: u32) -> PathBuf {
    folder.join(format!("trap-{process}"))
}

/// A bus with the handlers of the fleet.
pub(crate) fn bus(url: &str, folder: &Path) -> Builder {
    let ledger = Book::open(&folder.join("ledger"));
    let process = std::process::id();
    let bus = Kairo::builder()
        .store(url)
        .state(Desk { ledger, gate: gate(folder, process), trap: trap(folder, process) })
        .only(counts)
        .only(echoes);
    with_lease(bus, LEASE)
}

/// Works as the environment says; does nothing when nobody has asked for a worker.
pub(crate) fn run() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let url = env::var(URL).unwrap();
    Runtime::new().unwrap().block_on(work(&url, Path::new(&folder)));
}

/// Starts as under a supervisor, which tries again where the server does not answer in time.
async fn start(bus: impl Fn() -> Builder) -> Kairo {
    for _ in 1..STARTS_MAX {
        match bus().start().await {
            Err(kairo::Error::Store { action, source }) => eprintln!("{action}: {source}"),
            started => return started.unwrap(),
        }
    }
    bus().start().await.unwrap()
}

async fn work(url: &str, folder: &Path) {
    let (has_parcels, has_accounts) = (env::var(PARCELS).is_ok(), env::var(ACCOUNTS).is_ok());
    let bus = || match (has_parcels, has_accounts) {
        (true, _) => parcels::bus(url, folder),
        (_, true) => accounts::bus(url),
        _ => bus(url, folder),
    };
    let kairo = start(bus).await;
    if has_parcels {
        parcels::welcome(&kairo, folder);
    }
    if has_accounts {
        accounts::welcome(&kairo, folder).await;
    }
    if env::var(PUBLISHES).is_ok() {
        for _ in 0..PUBLISHERS {
            let dice = Dice::of(u64::from(Clock::system().draw()));
            tokio::spawn(publish(kairo.clone(), folder.to_owned(), dice));
        }
    }
    Book::open(&folder.join("started")).note(&std::process::id().to_string());
    // The end of the input asks for the end of the work.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    kairo.shutdown().await.unwrap();
}

/// Publishes until the process ends, and writes down what was accepted and what was not.
pub(crate) async fn publish(kairo: Kairo, folder: PathBuf, mut dice: Dice) {
    let (acks, refused) = (Book::open(&folder.join("acks")), Book::open(&folder.join("refused")));
    loop {
        let tick = Tick { key: dice.between(0, KEYS), waits: false };
        match kairo.publish(tick).await {
            Ok(published) => {
                for id in published.ids() {
                    acks.note(&id.to_string());
                }
            }
            Err(kairo::Error::Closed) => return,
            Err(error) => refused.note(&error.to_string()),
        }
        Clock::system().sleep(Duration::from_millis(dice.between(5, 40))).await;
    }
}
