//! How often the delivery of an ephemeral event allocates.

#[allow(dead_code, reason = "each bench uses its part")]
mod runner;
#[allow(dead_code, reason = "the registry is not counted")]
mod ticks;

use allocation_counter::measure;
use kairo::Kairo;
use runner::{Runner, state};
use ticks::{TickOf1, TickOf10, TickOf100};
use tokio::runtime;

/// How many publishes are counted, after as many that are not.
const PUBLISHES: u64 = 1_000;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn main() {
    Runner::new("allocations per delivery of an ephemeral event");
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let kairo = runtime
        .block_on(Kairo::builder().store("memory:").start())
        .expect("a bus with its handlers starts");
    macro_rules! row {
        ($event:ident, $handlers:literal) => {
            let publish = || {
                runtime.block_on(async {
                    for number in 0..PUBLISHES {
                        let event = $event { device: number, reading: 21.5, at: 17 };
                        let _ = kairo.publish(event).await.expect("its handlers succeed");
                    }
                });
            };
            publish();
            let count = measure(publish).count_total as f64 / PUBLISHES as f64;
            state(
                concat!(stringify!($handlers), " handlers"),
                "allocations",
                1.0,
                count / f64::from($handlers),
            );
        };
    }
    row!(TickOf1, 1);
    row!(TickOf10, 10);
    row!(TickOf100, 100);
}
