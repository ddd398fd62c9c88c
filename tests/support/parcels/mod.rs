//! Parcels: a saga for processes that are killed, stopped and started again.
//!
//! Its services keep a ledger that no process takes down with it. What must be true of the ledger
//! and of the journal in the end, whatever happened, is what [`audit`] asserts.

mod audit;
mod customers;
mod fate;
mod ledger;
mod services;
mod settle;

use kairo::prelude::*;

pub use self::{
    audit::audit,
    customers::{Plan, acknowledged, order},
    fate::roll,
    ledger::{Call, Ledger, Line, What},
    services::Services,
    settle::settle,
};

/// What a saga is started with.
#[data]
pub struct Order {
    /// Of one number there is one saga.
    pub number: u64,
    /// What its chances depend on.
    pub luck: u64,
    /// Whether some of its compensations fail at first.
    pub stubborn: bool,
}

/// Which attempt a service has answered; 0 for what somebody has said in its place.
#[data]
#[derive(Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The epoch of the attempt's key.
    pub epoch: u64,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// Goods are set aside.
#[data]
pub struct Reserved(pub Receipt);

/// The customer has paid.
#[data]
pub struct Charged(pub Receipt);

/// The goods are in a box.
#[data]
pub struct Packed(pub Receipt);

/// The box is on its way.
#[data]
pub struct Shipped(pub Receipt);

/// Reserves, then charges and packs side by side, then ships.
///
/// Unpacking needs to know what was packed; all else can be undone without knowing whether it has
/// happened.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Who does it.
    pub services: Services,
}

#[saga("parcel")]
impl Parcel {
    #[step(retry(max = 4, backoff = "3ms"))]
    async fn reserve(
        &self,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<Reserved, Failure> {
        self.services.apply("reserve", order, &key, attempt).await.map(Reserved)
    }

    #[compensate(reserve)]
    async fn release(
        &self,
        reserved: Option<&Reserved>,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        self.services.undo("reserve", order, reserved.map(|it| it.0), &key, attempt).await
    }

    #[step(after(reserve), retry(max = 4, backoff = "3ms"))]
    async fn charge(
        &self,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<Charged, Failure> {
        self.services.apply("charge", order, &key, attempt).await.map(Charged)
    }

    #[compensate(charge)]
    async fn refund(
        &self,
        charged: Option<&Charged>,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        self.services.undo("charge", order, charged.map(|it| it.0), &key, attempt).await
    }

    #[step(after(reserve), retry(max = 4, backoff = "3ms"))]
    async fn pack(
        &self,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<Packed, Failure> {
        self.services.apply("pack", order, &key, attempt).await.map(Packed)
    }

    #[compensate(pack)]
    async fn unpack(
        &self,
        packed: &Packed,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        self.services.undo("pack", order, Some(packed.0), &key, attempt).await
    }

    #[step(retry(max = 4, backoff = "3ms"))]
    async fn ship(
        &self,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<Shipped, Failure> {
        self.services.apply("ship", order, &key, attempt).await.map(Shipped)
    }

    #[compensate(ship)]
    async fn recall(
        &self,
        shipped: Option<&Shipped>,
        order: &Order,
        key: IdempotencyKey,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        self.services.undo("ship", order, shipped.map(|it| it.0), &key, attempt).await
    }
}
