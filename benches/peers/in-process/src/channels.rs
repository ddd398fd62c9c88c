//! A channel to each handler, or one to all; each handler is a task.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::{Result, anyhow};
use tokio::sync::{broadcast, mpsc};

use crate::{Bus, Tick};

/// How many events a handler may be behind.
const BEHIND_MAX: usize = 1_024;

/// A counter on a cache line of its own, since handlers run on several cores.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

impl Counter {
    fn count(&self, tick: &Tick) {
        self.0.fetch_add(tick.device, Relaxed);
    }
}

/// The counters of all handlers.
type Counters = Vec<Arc<Counter>>;

fn counters(handlers: usize) -> Counters {
    (0..handlers).map(|_| Arc::default()).collect()
}

fn sum(counters: &Counters) -> u64 {
    counters.iter().map(|counter| counter.0.load(Relaxed)).sum()
}

/// A bounded channel of tokio to each handler.
pub(crate) struct Mpsc {
    senders: Vec<mpsc::Sender<Tick>>,
    counters: Counters,
}

impl Mpsc {
    pub(crate) fn new(handlers: usize) -> Self {
        let counters = counters(handlers);
        let connect = |counter: &Arc<Counter>| {
            let (sender, mut receiver) = mpsc::channel(BEHIND_MAX);
            let counter = Arc::clone(counter);
            tokio::spawn(async move {
                while let Some(tick) = receiver.recv().await {
                    counter.count(&tick);
                }
            });
            sender
        };
        Self { senders: counters.iter().map(connect).collect(), counters }
    }
}

impl Bus for Mpsc {
    async fn publish(&self, tick: Tick) -> Result<()> {
        for sender in &self.senders {
            sender.send(tick).await?;
        }
        Ok(())
    }

    fn handled(&self) -> u64 {
        sum(&self.counters)
    }
}

/// One channel of tokio to all handlers.
pub(crate) struct Broadcast {
    sender: broadcast::Sender<Tick>,
    counters: Counters,
}

impl Broadcast {
    pub(crate) fn new(handlers: usize) -> Self {
        let counters = counters(handlers);
        let (sender, _) = broadcast::channel(BEHIND_MAX);
        for counter in &counters {
            let mut receiver = sender.subscribe();
            let counter = Arc::clone(counter);
            tokio::spawn(async move {
                while let Ok(tick) = receiver.recv().await {
                    counter.count(&tick);
                }
            });
        }
        Self { sender, counters }
    }
}

impl Bus for Broadcast {
    async fn publish(&self, tick: Tick) -> Result<()> {
        // A receiver that is further behind would lose events.
        while BEHIND_MAX - 1 <= self.sender.len() {
            tokio::task::yield_now().await;
        }
        self.sender.send(tick).map_err(|_| anyhow!("all handlers have ended"))?;
        Ok(())
    }

    fn handled(&self) -> u64 {
        sum(&self.counters)
    }
}

/// A bounded channel of flume to each handler.
pub(crate) struct Flume {
    senders: Vec<flume::Sender<Tick>>,
    counters: Counters,
}

impl Flume {
    pub(crate) fn new(handlers: usize) -> Self {
        let counters = counters(handlers);
        let connect = |counter: &Arc<Counter>| {
            let (sender, receiver) = flume::bounded(BEHIND_MAX);
            let counter = Arc::clone(counter);
            tokio::spawn(async move {
                while let Ok(tick) = receiver.recv_async().await {
                    Counter::count(&counter, &tick);
                }
            });
            sender
        };
        Self { senders: counters.iter().map(connect).collect(), counters }
    }
}

impl Bus for Flume {
    async fn publish(&self, tick: Tick) -> Result<()> {
        for sender in &self.senders {
            sender.send_async(tick).await?;
        }
        Ok(())
    }

    fn handled(&self) -> u64 {
        sum(&self.counters)
    }
}
