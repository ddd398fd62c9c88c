//! Durable sagas of three steps, against the four commits that they need at least: on SQLite with
//! `synchronous=FULL`, and on the PostgreSQL server that `KAIRO_POSTGRES_URL` names. And what many
//! cost that sleep.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../deposits.rs"]
mod deposits;
mod limit;
#[cfg(feature = "postgres")]
mod postgres;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../runner.rs"]
mod runner;

use std::{fs, sync::Arc, time::Duration};

use deposits::Folder;
use kairo::{
    Kairo,
    clock::Clock,
    prelude::*,
    saga::{Phase, SagaFilter},
};
use limit::{Journal, Write};
use runner::{Promise, Runner, Stopwatch, state};
use tokio::{runtime, task::JoinSet};

/// How long each side runs in a round.
const TIME: Duration = Duration::from_secs(2);

/// How many sagas sleep.
const SLEEPING: u64 = 100_000;

#[data]
struct Order {
    number: u64,
    customer: String,
}

#[data]
struct Reserved(u64);

#[data]
struct Paid(u64);

struct Ordering;

#[saga("ordering")]
impl Ordering {
    #[step]
    async fn reserve(&self, order: &Order) -> Reserved {
        Reserved(order.number)
    }

    #[compensate(reserve)]
    async fn release(&self) {}

    #[step]
    async fn pay(&self, order: &Order, _reserved: &Reserved) -> Paid {
        Paid(order.number + order.customer.len() as u64)
    }

    #[compensate(pay)]
    async fn refund(&self) {}

    #[step]
    async fn ship(&self, reserved: &Reserved, paid: &Paid) -> u64 {
        reserved.0 + paid.0
    }
}

/// Fails once, and sleeps until it is tried again, for longer than anybody measures.
struct Sleeping;

#[saga("sleeping")]
impl Sleeping {
    #[step(retry(max = 3, backoff = "10h"))]
    async fn wake(&self, order: &Order) -> Result<u64, Failure> {
        Err(Failure::retryable(format!("order {} is not there yet", order.number)))
    }
}

fn order(number: u64) -> Order {
    Order { number, customer: "customer-123".to_owned() }
}

/// Lets `many` run side by side for `time`; how many there were.
async fn run_for<R, F>(many: u64, time: Duration, run: R) -> u64
where
    R: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for task in 0..many {
        let run = run.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while watch.elapsed() < time {
                run(task + count * many).await;
                count += 1;
            }
            count
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn by_hand(many: u64, time: Duration) -> f64 {
    let folder = Folder::new();
    let journal = Arc::new(Journal::open(&folder.file("limit.db")));
    let clock = Clock::system();
    let watch = Stopwatch::start();
    let run = move |number| {
        let (journal, clock) = (Arc::clone(&journal), clock.clone());
        async move {
            let id = clock.new_id();
            let mut outputs = vec![serde_json::to_value(order(number)).expect("it is plain data")];
            for step in 0..=3 {
                let state = serde_json::to_string(&outputs).expect("it is plain data");
                let changed = clock.now().as_microsecond();
                journal.write(Write { id, step, changed, state }).await;
                outputs.push(number.into());
            }
        }
    };
    watch.per_second(run_for(many, time, run).await)
}

async fn kairo(many: u64, time: Duration) -> f64 {
    let folder = Folder::new();
    let bus = folder.bus().await;
    let rate = run_on(&bus, many, time).await;
    bus.shutdown().await.expect("the store closes");
    rate
}

/// Lets `many` sagas run side by side on a bus; how many there were in a second.
async fn run_on(bus: &Kairo, many: u64, time: Duration) -> f64 {
    let sagas = Arc::new(bus.saga(Ordering));
    let watch = Stopwatch::start();
    let run = move |number| {
        let sagas = Arc::clone(&sagas);
        async move {
            let outcome = sagas.execute(order(number)).await.expect("the store takes it");
            assert!(outcome.is_completed(), "nothing fails");
        }
    };
    watch.per_second(run_for(many, time, run).await)
}

/// Starts sagas that sleep, and tells how much memory the process has then, in MiB.
async fn sleep(sleeping: u64) -> f64 {
    let folder = Folder::new();
    let bus = folder.bus().await;
    let sagas = Arc::new(bus.saga(Sleeping));
    let watch = Stopwatch::start();
    let mut starts = JoinSet::new();
    for starter in 0..64 {
        let sagas = Arc::clone(&sagas);
        starts.spawn(async move {
            for number in (starter..sleeping).step_by(64) {
                sagas.start(order(number)).await.expect("the store takes it");
            }
        });
    }
    starts.join_all().await;
    let rate = watch.per_second(sleeping);
    until_all_sleep(&bus).await;
    println!("      {rate:.0} a second fall asleep");
    let memory = resident();
    bus.shutdown().await.expect("the store closes");
    memory
}

async fn until_all_sleep(bus: &Kairo) {
    let filter = SagaFilter { phases: vec![Phase::Running], limit: 1, ..SagaFilter::default() };
    while bus.sagas().list(filter.clone()).await.expect("the store answers").is_empty() {
        tokio::task::yield_now().await;
    }
    // The last ones have been started; each is asleep as soon as its first attempt is written down.
    Clock::system().sleep(Duration::from_millis(200)).await;
}

/// The memory of this process, in MiB; none where the system does not say.
#[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() as f64 / 1024.0
}

fn main() {
    let runner = Runner::new("sagas: three steps, durable on SQLite, synchronous=FULL");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let before = resident();
    let sleeping = runner.work(SLEEPING);
    let memory = runtime.block_on(sleep(sleeping));
    state(&format!("{sleeping} that sleep"), "MiB of memory more", 100.0, memory - before);
    let time = runner.time(TIME);
    for (many, promise) in [(1, 0.7), (8, 0.7), (64, 0.7)] {
        runner.compare(
            &format!("{many} in flight, against four commits by hand, in groups"),
            "/s",
            Promise::From(promise),
            || runtime.block_on(by_hand(many, time)),
            || runtime.block_on(kairo(many, time)),
        );
    }
    #[cfg(feature = "postgres")]
    postgres::compare(&runner, &runtime);
    #[cfg(not(feature = "postgres"))]
    println!("  PostgreSQL: not measured without the feature `postgres`");
}
