//! Ephemeral events, published and handled: against a registry of handlers as one writes it.

#[allow(dead_code, reason = "each bench uses its part")]
mod runner;
mod ticks;

use kairo::Kairo;
use runner::{Promise, Runner, Stopwatch};
use ticks::{Registry, TickOf1, TickOf10, TickOf100};
use tokio::runtime;

/// How many deliveries a round makes.
const DELIVERIES: u64 = 2_000_000;

fn main() {
    let runner = Runner::new("ephemeral: publish -> handled, awaited, nanoseconds per publish");
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let kairo = runtime
        .block_on(Kairo::builder().store("memory:").start())
        .expect("a bus with its handlers starts");
    let registry = Registry::new();
    macro_rules! row {
        ($event:ident, $handlers:literal) => {
            let count = runner.work(DELIVERIES / $handlers);
            runner.compare(
                concat!(stringify!($handlers), " handlers"),
                "ns",
                Promise::UpTo(1.5),
                || {
                    runtime.block_on(async {
                        let watch = Stopwatch::start();
                        for number in 0..count {
                            let event = $event { device: number, reading: 21.5, at: 17 };
                            registry.publish(event).await.expect("its handlers succeed");
                        }
                        watch.nanos_each(count)
                    })
                },
                || {
                    runtime.block_on(async {
                        let watch = Stopwatch::start();
                        for number in 0..count {
                            let event = $event { device: number, reading: 21.5, at: 17 };
                            let _ = kairo.publish(event).await.expect("its handlers succeed");
                        }
                        watch.nanos_each(count)
                    })
                },
            );
        };
    }
    row!(TickOf1, 1);
    row!(TickOf10, 10);
    row!(TickOf100, 100);
}
