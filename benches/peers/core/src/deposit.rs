//! The one event of the comparison, and what its streams fold to.

use serde::{Deserialize, Serialize};

/// Money came in: about 200 bytes of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposited {
    /// Where it went.
    pub account: String,
    /// Who owns the account.
    pub owner: String,
    /// Where the owner can be reached.
    pub email: String,
    /// How much it was.
    pub amount: i64,
    /// What the sender wrote.
    pub memo: String,
}

impl Deposited {
    /// A deposit that differs from others in its amount.
    #[must_use]
    pub fn of(amount: i64) -> Self {
        Self {
            account: "0197e4a2-3f1c-7b60-9d2e-51c0a8b7f604".to_owned(),
            owner: "Augusta Ada King".to_owned(),
            email: "ada@example.com".to_owned(),
            amount,
            memo: "thank you for the flowers, they arrived in time for the party".to_owned(),
        }
    }

    /// So many deposits, of the amounts `first`, `first + 1`, ..
    #[must_use]
    pub fn row(first: u64, count: usize) -> Vec<Self> {
        let first = first.cast_signed();
        (first..).take(count).map(Self::of).collect()
    }
}

/// What the deposits of a stream come to. Whoever has it right has decoded each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// How many deposits there were.
    pub events: u64,
    /// The sum of their amounts.
    pub amount: i64,
}

impl Balance {
    /// The balance of deposits of the amounts 0, 1, 2, ..
    #[must_use]
    pub fn of_row(events: u64) -> Self {
        Self { events, amount: (0..events.cast_signed()).sum() }
    }

    /// Adds a deposit.
    pub fn add(&mut self, amount: i64) {
        self.events += 1;
        self.amount += amount;
    }
}
