//! Publishing to handlers in the same process, until all of them have handled the event.
//!
//! - `kairo`: an ephemeral event and `#[handler]`s.
//! - `registry`: handlers by hand, by the name of their event.
//! - `mpsc`, `broadcast`, `flume`: channels, whose senders do not wait for the receivers; only at the end the clock stops when
//!   everything has been received.

mod channels;
mod handlers;
mod registry;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use kairo::Kairo;
use peers_core::{Reply, Task, Work, reply, runtime};

use crate::{
    channels::{Broadcast, Flume, Mpsc},
    handlers::{TickOf1, TickOf10, TickOf100},
    registry::Registry,
};

/// How many events are published between two looks at the clock.
const BLOCK: u64 = 64;

/// How long a bus runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(100);

/// What is published: 24 bytes, so that nobody is measured by what copies cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) device: u64,
    pub(crate) reading: f64,
    pub(crate) at: i64,
}

/// The one tick that there is: handlers add up its device, and so count.
const TICK: Tick = Tick { device: 1, reading: 21.5, at: 17 };

/// What brings ticks to handlers.
pub(crate) trait Bus: Sync {
    /// Publishes a tick.
    fn publish(&self, tick: Tick) -> impl Future<Output = Result<()>> + Send;

    /// How many ticks the handlers have handled, all of them together.
    fn handled(&self) -> u64;
}

/// Publishes for a time; nanoseconds per event until it is handled.
async fn measure(bus: impl Bus, time: Duration, handlers: usize) -> Result<f64> {
    let (_, published) = publish_for(&bus, WARM_UP, handlers, 0).await?;
    let (took, published) = publish_for(&bus, time, handlers, published).await?;
    ensure!(bus.handled() == published * handlers as u64, "each handler handles each event once");
    Ok(took)
}

/// Nanoseconds per event, and how many have been published since the beginning.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
async fn publish_for(
    bus: &impl Bus,
    time: Duration,
    handlers: usize,
    before: u64,
) -> Result<(f64, u64)> {
    let start = Instant::now();
    let mut published = before;
    while start.elapsed() < time {
        for _ in 0..BLOCK {
            bus.publish(TICK).await?;
        }
        published += BLOCK;
    }
    while bus.handled() < published * handlers as u64 {
        tokio::task::yield_now().await;
    }
    Ok((start.elapsed().as_nanos() as f64 / (published - before) as f64, published))
}

async fn run(variant: String, time: Duration, handlers: usize) -> Result<f64> {
    match variant.as_str() {
        "kairo" => {
            let kairo = Kairo::builder().store("memory:").start().await?;
            match handlers {
                1 => measure(handlers::On::<TickOf1>::new(kairo), time, handlers).await,
                10 => measure(handlers::On::<TickOf10>::new(kairo), time, handlers).await,
                100 => measure(handlers::On::<TickOf100>::new(kairo), time, handlers).await,
                other => bail!("there are no events with {other} handlers; use 1, 10 or 100"),
            }
        }
        "registry" => measure(Registry::new(handlers), time, handlers).await,
        "mpsc" => measure(Mpsc::new(handlers), time, handlers).await,
        "broadcast" => measure(Broadcast::new(handlers), time, handlers).await,
        "flume" => measure(Flume::new(handlers), time, handlers).await,
        other => bail!("there is no variant `{other}`"),
    }
}

fn main() -> Result<()> {
    let task = Task::from_arguments()?;
    let Work::Publish { handlers } = task.work else {
        bail!("{:?} needs a store", task.work);
    };
    let time = Duration::from_secs_f64(task.seconds);
    // The publisher is a task among others, as in a service.
    let figure = runtime()?
        .block_on(async move { tokio::spawn(run(task.variant, time, handlers)).await? })?;
    reply(&Reply::Measured { figure, latency: None, conflicts: 0 })
}
