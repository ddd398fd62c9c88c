//! The services that parcels are made with. A call goes on when whoever made it has stopped waiting.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kairo::{clock::Clock, prelude::*};

use super::{
    Call, Ledger, Order, Receipt, What,
    fate::{End, Fate, chance},
    ledger::{Answer, answers},
};

/// The longest way to a service, and back, in milliseconds.
const WAY_MAX: u64 = 20;

/// All of them.
#[derive(Clone, Debug)]
pub struct Services {
    ledger: Ledger,
    folder: PathBuf,
}

impl Services {
    /// The services of those who meet in a folder.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        Self { ledger: Ledger::open(folder), folder: folder.to_owned() }
    }

    /// What is there when no compensation fails for good any more.
    pub(super) fn mended(folder: &Path) -> PathBuf {
        folder.join("mended")
    }

    pub(super) async fn apply(
        &self,
        step: &str,
        order: &Order,
        key: &IdempotencyKey,
        attempt: Attempt,
    ) -> Result<Receipt, Failure> {
        let call = Call::new(step.to_owned(), key, attempt);
        let fate = Fate::of_step(order, step);
        let receipt = Receipt { epoch: call.epoch, attempt: call.attempt };
        self.ask(order, What::Apply, call, fate).await.map(|()| receipt)
    }

    pub(super) async fn undo(
        &self,
        step: &str,
        order: &Order,
        known: Option<Receipt>,
        key: &IdempotencyKey,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        let call = Call { known, ..Call::new(format!("{step}/undo"), key, attempt) };
        let fate = match Fate::of_undo(order, step) {
            Fate::No if Self::mended(&self.folder).exists() => Fate::Fine,
            fate => fate,
        };
        self.ask(order, What::Undo, call, fate).await
    }

    /// Writes down that it begins, makes the call, and writes down that it has come to its end.
    async fn ask(&self, order: &Order, what: What, call: Call, fate: Fate) -> Result<(), Failure> {
        let _ = self.ledger.note(order.number, What::Begin, &call);
        let ended = self.call(order, what, call.clone(), fate.end(call.attempt)).await;
        let _ = self.ledger.note(order.number, What::End, &call);
        ended
    }

    async fn call(&self, order: &Order, what: What, call: Call, end: End) -> Result<(), Failure> {
        let way = |back| {
            let of = 3 + 2 * u64::from(call.attempt) + u64::from(back);
            Duration::from_millis(chance(order, &call.part, of) % WAY_MAX)
        };
        let (there, back) = (way(false), way(true));
        if end == End::Silent || end == End::No {
            Clock::system().sleep(there).await;
            return match end {
                End::No => Err(Failure::permanent("it says no")),
                _ => Err(Failure::retryable("it does not answer")),
            };
        }
        let (ledger, number) = (self.ledger.clone(), order.number);
        // What is on the wire comes to its end, whether anybody waits for it or not.
        let request = tokio::spawn(async move {
            Clock::system().sleep(there).await;
            let lines = ledger.note(number, what, &call);
            Clock::system().sleep(back).await;
            answers(&lines).last().map(|(_, answer)| *answer)
        });
        match request.await.map_err(Failure::retryable)? {
            _ if end == End::Lost => Err(Failure::retryable("its answer is lost")),
            Some(Answer::Refused) => Err(Failure::permanent("it has been undone already")),
            Some(_) => Ok(()),
            None => Err(Failure::permanent("the call has left no line")),
        }
    }
}
