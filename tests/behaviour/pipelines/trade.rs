//! A trade that is checked, priced and booked, in a world that fails as it is told.

use std::sync::{Arc, Mutex};

use kairo::{pipeline::PipelineRef, prelude::*};
use kairo_tests::support::{Gate, Journal};

/// How the pricing of a trade goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    No,
    Silent,
    Panic,
    /// It waits at the gate.
    Wait(Gate),
}

#[derive(Debug, thiserror::Error, Classify)]
pub(crate) enum PriceError {
    #[error("no such share")]
    #[permanent]
    Unknown,
    #[error("the exchange does not answer")]
    Silent,
}

/// What stages are told, and what they did.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) seen: Journal<String>,
    mishaps: Arc<Mutex<Vec<Mishap>>>,
}

impl World {
    /// The next attempts at a price go wrong like this, one after the other.
    pub(crate) fn mishaps(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        let mut next: Vec<_> = mishaps.into_iter().collect();
        next.reverse();
        *self.mishaps.lock().unwrap() = next;
    }

    async fn price(&self) -> Result<(), PriceError> {
        let mishap = self.mishaps.lock().unwrap().pop();
        match mishap {
            None => Ok(()),
            Some(Mishap::No) => Err(PriceError::Unknown),
            Some(Mishap::Silent) => Err(PriceError::Silent),
            Some(Mishap::Panic) => panic!("the price is nonsense"),
            Some(Mishap::Wait(gate)) => {
                self.note("waits");
                gate.pass().await;
                Ok(())
            }
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.seen.note(what.into());
    }
}

#[data]
#[derive(PartialEq, Eq, garde::Validate)]
pub(crate) struct Trade {
    #[garde(length(min = 1))]
    pub(crate) share: String,
    #[garde(range(min = 1))]
    pub(crate) number: u64,
}

#[data]
#[derive(PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) trade: Trade,
    pub(crate) cents: u64,
}

#[event("trade.checked")]
pub(crate) struct TradeChecked(pub(crate) Trade);

#[event("trade.asked")]
pub(crate) struct TradeAsked {
    #[key]
    share: String,
}

#[event("trade.priced")]
pub(crate) struct TradePriced {
    #[key]
    pub(crate) share: String,
    pub(crate) cents: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Trading {
    pub(crate) world: World,
}

#[pipeline("trading", events = "stages", timeout = "1h")]
impl Trading {
    #[filter]
    #[emit(TradeChecked)]
    pub(crate) async fn is_open(&self, trade: &Trade) -> bool {
        self.world.note("is_open");
        trade.share != "closed"
    }

    #[map(retry(max = 2, backoff = "1ms"), timeout = "1m")]
    async fn price(
        &self,
        trade: Trade,
        bus: Publisher,
        attempt: Attempt,
        key: IdempotencyKey,
    ) -> Result<Priced, PriceError> {
        self.world.note(format!("price {} {}", attempt.get(), key.place()));
        let asked = TradeAsked { share: trade.share.clone() };
        let _ = bus.publish(asked).await.map_err(|_| PriceError::Silent)?;
        self.world.price().await?;
        let cents = trade.number * 100;
        Ok(Priced { trade, cents })
    }

    #[emit]
    fn priced(&self, priced: &Priced) -> Option<TradePriced> {
        let (share, cents) = (priced.trade.share.clone(), priced.cents);
        (share != "secret").then_some(TradePriced { share, cents })
    }

    #[map]
    fn book(&self, priced: &Priced) -> u64 {
        self.world.note("book");
        priced.cents
    }

    #[on_success]
    async fn well(&self, cents: &u64) {
        self.world.note(format!("well {cents}"));
    }

    #[on_error]
    fn badly(&self, error: &PipelineError) -> Result<(), Failure> {
        self.world.note(format!("badly: {error}"));
        Err(Failure::permanent("nobody minds"))
    }
}

pub(crate) fn trade(share: &str, number: u64) -> Trade {
    Trade { share: share.to_owned(), number }
}

/// Trading on a bus, in a world.
pub(crate) fn trading(kairo: &Kairo, world: &World) -> PipelineRef<Trading> {
    kairo.pipeline(Trading { world: world.clone() })
}
