//! Ephemeral events with 1, 10 and 100 handlers, and the same handlers in a registry by hand.

use std::{
    any::Any,
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use kairo::{Event, prelude::*};

/// What all handlers add to, so that none of them is optimised away.
static SUM: AtomicU64 = AtomicU64::new(0);

macro_rules! event {
    ($event:ident, $name:tt) => {
        #[event($name, ephemeral)]
        #[derive(Copy)]
        pub(crate) struct $event {
            pub(crate) device: u64,
            pub(crate) reading: f64,
            pub(crate) at: i64,
        }
    };
}

event!(TickOf1, "tick.of-1");
event!(TickOf10, "tick.of-10");
event!(TickOf100, "tick.of-100");

/// A handler in each of these modules.
macro_rules! handlers {
    ($event:ident, $name:tt: $($module:ident)*) => {
        $(mod $module {
            #[kairo::handler(event = $name)]
            async fn count(tick: &super::$event) {
                super::SUM.fetch_add(tick.device, super::Relaxed);
            }
        })*
    };
}

/// Ten handlers in each of these modules.
macro_rules! tens {
    ($event:ident, $name:tt: $($module:ident)*) => {
        $(mod $module {
            use super::{$event, Relaxed, SUM};
            handlers!($event, $name: a b c d e f g h i j);
        })*
    };
}

mod one {
    use super::{Relaxed, SUM, TickOf1};
    handlers!(TickOf1, "tick.of-1": a);
}

mod ten {
    use super::{Relaxed, SUM, TickOf10};
    tens!(TickOf10, "tick.of-10": a);
}

mod hundred {
    use super::{Relaxed, SUM, TickOf100};
    tens!(TickOf100, "tick.of-100": a b c d e f g h i j);
}

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), std::io::Error>> + Send + 'a>>;

type Handlers = Arc<[Box<dyn Handle>]>;

trait Handle: Send + Sync {
    fn handle<'a>(&'a self, event: &'a (dyn Any + Send + Sync)) -> Run<'a>;
}

/// A handler of one type of event, behind what they all have in common.
struct Typed<F>(F);

impl<E: Event, F: Fn(&E) -> u64 + Send + Sync> Handle for Typed<(F, std::marker::PhantomData<E>)> {
    fn handle<'a>(&'a self, event: &'a (dyn Any + Send + Sync)) -> Run<'a> {
        let event = event.downcast_ref::<E>();
        Box::pin(async move {
            let event = event.ok_or(std::io::ErrorKind::InvalidData)?;
            SUM.fetch_add((self.0.0)(event), Relaxed);
            Ok(())
        })
    }
}

/// Handlers by the name of their event, as one writes it by hand: erased payloads, boxed futures,
/// results that are looked at.
pub(crate) struct Registry {
    by_name: RwLock<HashMap<&'static str, Handlers>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let mut by_name = HashMap::new();
        by_name.insert(TickOf1::NAME, handlers_of(1, |tick: &TickOf1| tick.device));
        by_name.insert(TickOf10::NAME, handlers_of(10, |tick: &TickOf10| tick.device));
        by_name.insert(TickOf100::NAME, handlers_of(100, |tick: &TickOf100| tick.device));
        Self { by_name: RwLock::new(by_name) }
    }

    /// Runs all handlers of the event, one after the other.
    pub(crate) async fn publish<E: Event>(&self, event: E) -> Result<(), std::io::Error> {
        let handlers = {
            let by_name = self.by_name.read().expect("no holder has panicked");
            by_name.get(E::NAME).cloned()
        };
        for handler in handlers.iter().flat_map(|handlers| &**handlers) {
            handler.handle(&event).await?;
        }
        Ok(())
    }
}

fn handlers_of<E: Event>(
    count: usize,
    handle: impl Fn(&E) -> u64 + Copy + Send + Sync + 'static,
) -> Handlers {
    let typed = || Box::new(Typed((handle, std::marker::PhantomData::<E>))) as Box<dyn Handle>;
    (0..count).map(|_| typed()).collect()
}
