//! Starting with 1,000 handlers: against opening the store alone.

#[allow(dead_code, reason = "each bench uses its part")]
mod runner;

use std::path::Path;

use kairo::{
    __private::{Delivery, HandlerEntry, HandlerFuture, Receive, inventory, run},
    Kairo, backend,
    clock::Clock,
    prelude::*,
};
use runner::{Promise, Runner, Stopwatch};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

#[event("tick.came")]
struct Tick {
    number: u64,
}

/// What all handlers do. They are entries of their own, as `#[handler]` makes them; a function of
/// its own for each would change only how long this takes to compile.
fn call(delivery: Delivery<'_>) -> HandlerFuture<'_> {
    run(async move {
        let tick: Tick = Receive::own(delivery)?;
        std::hint::black_box(tick.number);
        Ok(Vec::new())
    })
}

macro_rules! units {
    ($a:tt $b:tt: $($c:tt)*) => {
        $(inventory::submit! {
            HandlerEntry::new(
                module_path!(),
                concat!("start_up::handler_", $a, $b, $c),
                concat!("handler_", $a, $b, $c),
                <Tick as Receive>::INTAKE,
                call,
            )
        })*
    };
}

macro_rules! tens {
    ($a:tt: $($b:tt)*) => {
        $(units!($a $b: 0 1 2 3 4 5 6 7 8 9);)*
    };
}

macro_rules! hundreds {
    ($($a:tt)*) => {
        $(tens!($a: 0 1 2 3 4 5 6 7 8 9);)*
    };
}

hundreds!(0 1 2 3 4 5 6 7 8 9);

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made")
}

/// Opens the store and closes it; how many milliseconds the opening took.
fn open(runtime: &Runtime, folder: &Path) -> f64 {
    let url = format!("sqlite:{}", folder.join("kairo.db").display());
    runtime.block_on(async {
        let watch = Stopwatch::start();
        let store = backend::open(&url, &Clock::system()).await.expect("the store opens");
        let time = watch.elapsed();
        store.close().await.expect("the store closes");
        time.as_secs_f64() * 1e3
    })
}

/// Starts the bus and shuts it down; how many milliseconds the start took.
fn start(runtime: &Runtime, folder: &Path) -> f64 {
    let url = format!("sqlite:{}", folder.join("kairo.db").display());
    runtime.block_on(async {
        let watch = Stopwatch::start();
        let kairo = Kairo::builder().store(url).start().await.expect("the bus starts");
        let time = watch.elapsed();
        assert_eq!(kairo.registry().handlers().len(), 1_000, "all handlers are linked");
        kairo.shutdown().await.expect("the bus stops");
        time.as_secs_f64() * 1e3
    })
}

fn main() {
    let runner = Runner::new("start_up: 1,000 handlers");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runner.compare(
        "a new store, against opening it",
        "ms",
        Promise::Beyond(5.0),
        || open(&runtime, folder().path()),
        || start(&runtime, folder().path()),
    );
    let used = folder();
    start(&runtime, used.path());
    runner.compare(
        "a store that knows them, against opening it",
        "ms",
        Promise::Beyond(5.0),
        || open(&runtime, used.path()),
        || start(&runtime, used.path()),
    );
}
