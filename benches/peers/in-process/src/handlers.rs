//! Ephemeral events of Kairo with 1, 10 and 100 handlers.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::Result;
use kairo::{Event, Kairo, event};

use crate::{Bus, Tick};

/// What all handlers add to; they run one after the other.
static HANDLED: AtomicU64 = AtomicU64::new(0);

macro_rules! events {
    ($($event:ident, $name:tt;)*) => {
        $(
            #[event($name, ephemeral)]
            #[derive(Copy)]
            pub(crate) struct $event {
                device: u64,
                reading: f64,
                at: i64,
            }

            impl From<Tick> for $event {
                fn from(Tick { device, reading, at }: Tick) -> Self {
                    Self { device, reading, at }
                }
            }
        )*
    };
}

events! {
    TickOf1, "tick.of-1";
    TickOf10, "tick.of-10";
    TickOf100, "tick.of-100";
}

/// A handler in each of these modules.
macro_rules! handlers {
    ($event:ident, $name:tt: $($module:ident)*) => {
        $(mod $module {
            #[kairo::handler(event = $name)]
            async fn count(tick: &super::$event) {
                super::HANDLED.fetch_add(tick.device, super::Relaxed);
            }
        })*
    };
}

/// Ten handlers in each of these modules.
macro_rules! tens {
    ($event:ident, $name:tt: $($module:ident)*) => {
        $(mod $module {
            use super::{$event, HANDLED, Relaxed};
            handlers!($event, $name: a b c d e f g h i j);
        })*
    };
}

mod one {
    use super::{HANDLED, Relaxed, TickOf1};
    handlers!(TickOf1, "tick.of-1": a);
}

mod ten {
    use super::{HANDLED, Relaxed, TickOf10};
    tens!(TickOf10, "tick.of-10": a);
}

mod hundred {
    use super::{HANDLED, Relaxed, TickOf100};
    tens!(TickOf100, "tick.of-100": a b c d e f g h i j);
}

/// The bus, for ticks of one type.
pub(crate) struct On<E> {
    kairo: Kairo,
    event: PhantomData<fn(E)>,
}

impl<E> On<E> {
    pub(crate) fn new(kairo: Kairo) -> Self {
        Self { kairo, event: PhantomData }
    }
}

impl<E: Event + From<Tick>> Bus for On<E> {
    async fn publish(&self, tick: Tick) -> Result<()> {
        // What it returns tells of durable subscriptions only; these handlers are done already.
        let _ = self.kairo.publish(E::from(tick)).await?;
        Ok(())
    }

    fn handled(&self) -> u64 {
        HANDLED.load(Relaxed)
    }
}
