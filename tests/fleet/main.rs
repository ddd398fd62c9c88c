//! Real servers and real processes: what is killed, stopped, restarted and restored loses nothing.
//!
//! The tests start servers of their own, because they end them, and their own binary as the
//! processes that share a store: [`worker`] is such a process.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends the test")]

mod accounts;
mod audit;
mod gaps;
mod killed;
mod parcels;
mod restored;
mod secured;
mod server;
mod stopped;
mod trouble;
mod worker;
mod workers;

use std::time::Duration;

/// How long a test waits for something that must come, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long fleets are disturbed, in seconds, unless the environment says otherwise.
const SECONDS: u64 = 10;

/// The variable that says how long.
const SECONDS_VARIABLE: &str = "KAIRO_FLEET_SECONDS";

fn stretch() -> Duration {
    let given = std::env::var(SECONDS_VARIABLE).ok();
    Duration::from_secs(given.map_or(SECONDS, |text| text.parse().unwrap()))
}

/// Waits for what only looking can tell.
#[track_caller]
fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let looking = async {
            while !is_so().await {
                kairo::clock::Clock::system().sleep(Duration::from_millis(50)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, looking).await;
        done.unwrap_or_else(|_| panic!("nothing has come for {PATIENCE:?} at {place}"));
    }
}

#[test]
#[ignore = "it is the process that the other tests start"]
fn one_worker() {
    worker::run();
}
