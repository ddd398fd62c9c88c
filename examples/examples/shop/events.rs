//! What happens in the shop.

use kairo::prelude::*;

/// A customer has signed up. `#[key]` names the stream: `user-<id>`.
#[event("user.created")]
pub struct UserCreated {
    #[key]
    pub user_id: Uuid,
    pub name: String,
    pub email: String,
}

/// An order, in the stream `order-<number>`, as all that follows from it.
#[event("order.placed")]
pub struct OrderPlaced {
    #[key]
    pub order: u64,
    pub customer: String,
    pub items: Vec<Item>,
}

/// A part of an event's payload.
#[data]
pub struct Item {
    pub product: String,
    pub quantity: u32,
    pub price_cents: u64,
}

#[event("order.payment-failed")]
pub struct PaymentFailed {
    #[key]
    pub order: u64,
    pub card: String,
    pub amount_cents: u64,
}

#[event("order.payment-recovered")]
pub struct PaymentRecovered {
    #[key]
    pub order: u64,
}

#[event("cart.left")]
pub struct CartLeft {
    pub customer: String,
}

/// Ephemeral: it is handled in memory, at once, and never stored.
#[event("page.viewed", ephemeral)]
pub struct PageViewed {
    pub path: String,
}
