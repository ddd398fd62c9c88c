//! What is deposited, and the aggregates that it makes.

use kairo::prelude::*;
use peers_core::{Balance, Deposited};

/// A deposit, as an event.
#[event("account.deposited")]
pub(crate) struct Deposit(pub(crate) Deposited);

/// The sum of a stream's deposits.
#[data]
#[derive(Default)]
pub(crate) struct Account {
    events: u64,
    amount: i64,
}

#[aggregate("account")]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposit) {
        self.events += 1;
        self.amount += event.0.amount;
    }
}

impl Account {
    pub(crate) fn balance(&self) -> Balance {
        Balance { events: self.events, amount: self.amount }
    }
}

/// The same, with snapshots.
#[data]
#[derive(Default)]
pub(crate) struct SnapshotAccount(Account);

#[aggregate("account", snapshot_every = 100)]
impl SnapshotAccount {
    #[apply]
    fn deposited(&mut self, event: &Deposit) {
        self.0.events += 1;
        self.0.amount += event.0.amount;
    }
}

impl SnapshotAccount {
    pub(crate) fn balance(&self) -> Balance {
        self.0.balance()
    }
}
