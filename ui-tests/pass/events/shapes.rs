#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Closed, open, bounded and inline enums.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("user.deleted")]
struct UserDeleted;

#[events]
enum UserEvent {
    Created(UserCreated),
    Deleted(UserDeleted),
}

#[events("user.*")]
enum OpenUserEvent {
    Created(UserCreated),
    #[other]
    Other(AnyEvent),
}

/// All about orders.
#[events("shop.order.**", prefix = "shop.order")]
pub enum OrderEvent {
    /// It was placed.
    Placed {
        /// Which.
        #[key]
        order_id: u64,
        /// How much.
        total: u64,
    },
    /// It was not paid.
    PaymentFailed(String),
    /// It was closed.
    Closed,
    /// It went out.
    #[event("shop.order.sent", version = 2, from(OrderShippedV1))]
    Shipped {
        /// When.
        day: u64,
    },
}

#[event("shop.order.sent")]
struct OrderShippedV1 {
    day: u32,
}

impl Upcast<OrderShippedV1> for OrderShipped {
    fn upcast(old: OrderShippedV1) -> Self {
        Self { day: old.day.into() }
    }
}

fn main() {
    let event = AnyEvent::from_json("user.created", r#"{"user_id": 1}"#).unwrap();
    assert!(
        matches!(UserEvent::decode_set(&event), Ok(UserEvent::Created(user)) if user.user_id == 1)
    );
    let event = AnyEvent::from_json("user.deleted", "null").unwrap();
    assert!(matches!(UserEvent::decode_set(&event), Ok(UserEvent::Deleted(_))));
    let Ok(OpenUserEvent::Other(other)) = OpenUserEvent::decode_set(&event) else { unreachable!() };
    assert_eq!(other.name(), "user.deleted");
    let event = AnyEvent::from_json("shop.order.payment-failed", r#""no card""#).unwrap();
    assert!(matches!(OrderEvent::decode_set(&event), Ok(OrderEvent::PaymentFailed(_))));
    assert!(UserEvent::decode_set(&event).is_err());
    let placed = OrderPlaced { order_id: 4, total: 5 };
    assert_eq!(placed.stream().as_deref(), Some("shop-4"));
    assert!(matches!(OrderEvent::from(placed), OrderEvent::Placed { order_id: 4, total: 5 }));
    let sent = OrderShipped::decode("shop.order.sent", 1, br#"{"day": 3}"#).unwrap();
    assert!(matches!(OrderEvent::from(sent), OrderEvent::Shipped { day: 3 }));
    let _ = OpenUserEvent::from(UserCreated { user_id: 1 }).clone();
}
