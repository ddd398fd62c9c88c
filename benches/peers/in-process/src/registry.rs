//! Handlers by the name of their event, as one writes it by hand: erased payloads, boxed futures, results that are looked at.

use std::{
    any::Any,
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use anyhow::{Result, anyhow};

use crate::{Bus, Tick};

/// The event's name.
const NAME: &str = "tick";

/// What all handlers add to; they run one after the other.
static HANDLED: AtomicU64 = AtomicU64::new(0);

type Run<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

type Handlers = Arc<[Box<dyn Handle>]>;

trait Handle: Send + Sync {
    fn handle<'a>(&'a self, event: &'a (dyn Any + Send + Sync)) -> Run<'a>;
}

struct Count;

impl Handle for Count {
    fn handle<'a>(&'a self, event: &'a (dyn Any + Send + Sync)) -> Run<'a> {
        let tick = event.downcast_ref::<Tick>();
        Box::pin(async move {
            let tick = tick.ok_or(io::ErrorKind::InvalidData)?;
            HANDLED.fetch_add(tick.device, Relaxed);
            Ok(())
        })
    }
}

pub(crate) struct Registry {
    by_name: RwLock<HashMap<&'static str, Handlers>>,
}

impl Registry {
    pub(crate) fn new(handlers: usize) -> Self {
        let handlers = (0..handlers).map(|_| Box::new(Count) as Box<dyn Handle>).collect();
        Self { by_name: RwLock::new(HashMap::from([(NAME, handlers)])) }
    }

    fn handlers(&self) -> Result<Handlers> {
        let by_name = self.by_name.read().map_err(|_| anyhow!("a holder has panicked"))?;
        by_name.get(NAME).cloned().ok_or_else(|| anyhow!("`{NAME}` has no handlers"))
    }
}

impl Bus for Registry {
    async fn publish(&self, tick: Tick) -> Result<()> {
        for handler in &*self.handlers()? {
            handler.handle(&tick).await?;
        }
        Ok(())
    }

    fn handled(&self) -> u64 {
        HANDLED.load(Relaxed)
    }
}
