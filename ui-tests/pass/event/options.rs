#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Versions, keys, streams and rules.

use kairo::Validate;
use kairo::prelude::*;

#[event("order.placed")]
struct OrderPlacedV1 {
    total: u32,
}

#[event("order.placed", version = 2, from(OrderPlacedV1))]
struct OrderPlacedV2 {
    total: u64,
}

#[event(
    "order.placed",
    version = 3,
    from(OrderPlacedV2),
    validate,
    stream = "order-{{{order_id}}}"
)]
struct OrderPlaced {
    order_id: u64,
    total: u64,
}

impl Upcast<OrderPlacedV1> for OrderPlacedV2 {
    fn upcast(old: OrderPlacedV1) -> Self {
        Self { total: old.total.into() }
    }
}

impl Upcast<OrderPlacedV2> for OrderPlaced {
    fn upcast(old: OrderPlacedV2) -> Self {
        Self { order_id: 1, total: old.total }
    }
}

impl Validate for OrderPlaced {
    fn validate(&self) -> Result<(), kairo::Violations> {
        if self.total == 0 { Err("an order must cost something".into()) } else { Ok(()) }
    }
}

#[event("order.viewed", ephemeral)]
struct OrderViewed(#[key] u64);

mod tests {
    /// The same name a second time, which `local` allows.
    #[kairo::event("order.viewed", local)]
    pub(crate) struct Viewed;
}

fn main() {
    let order = OrderPlaced::decode("order.placed", 1, br#"{"total": 7}"#).unwrap();
    assert_eq!((order.order_id, order.total), (1, 7));
    assert_eq!(order.stream().as_deref(), Some("order-{1}"));
    assert!(AnyEvent::from_json("order.placed", r#"{"order_id": 1, "total": 0}"#).is_err());
    assert_eq!(OrderViewed(9).stream().as_deref(), Some("order-9"));
    assert_eq!((OrderPlaced::SCHEMA, <OrderViewed as Event>::EPHEMERAL), (3, true));
    let _ = tests::Viewed;
}
