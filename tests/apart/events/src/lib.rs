//! Events in a crate of their own, under lints that forgive nothing.
#![deny(warnings, missing_docs, unused_qualifications, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use backbone::prelude::*;

backbone::export!();

/// How good a customer is.
#[data]
#[derive(PartialEq, Eq)]
pub enum Tier {
    /// Pays nothing.
    Free,
    /// Pays this much a month, in cents.
    Paid(u32),
}

/// Somebody has signed up.
#[event("customer.joined", version = 2, from(JoinedV1))]
pub struct Joined {
    /// Who.
    #[key]
    pub customer: Uuid,
    /// How good.
    pub tier: Tier,
}

/// What `Joined` was before there were tiers.
#[event("customer.joined")]
pub struct JoinedV1 {
    /// Who.
    #[key]
    pub customer: Uuid,
}

impl Upcast<JoinedV1> for Joined {
    fn upcast(old: JoinedV1) -> Self {
        Self { customer: old.customer, tier: Tier::Free }
    }
}

/// Somebody has been greeted.
#[event("customer.greeted", stream = "customer-{customer}")]
pub struct Greeted {
    /// Who.
    pub customer: Uuid,
}
