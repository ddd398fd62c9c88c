//! What flows through the pipeline, and the events that it leaves behind.

use garde::Validate;
use kairo::prelude::*;

#[data]
#[derive(Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Processing,
    Failed,
}

#[data]
#[derive(Validate)]
pub struct Order {
    #[garde(skip)]
    pub id: Uuid,
    #[garde(skip)]
    pub user_id: Uuid,
    #[garde(range(min = 1))]
    pub cents: u64,
    #[garde(skip)]
    pub status: Status,
}

/// With what is known of the customer.
#[data]
pub struct EnrichedOrder {
    pub order: Order,
    pub customer_tier: String,
    pub shipping_address: String,
}

/// With what it costs in the end.
#[data]
pub struct PricedOrder {
    pub order: EnrichedOrder,
    pub shipping_cents: u64,
    pub final_cents: u64,
}

#[data]
pub struct PaidOrder {
    pub order_id: Uuid,
    pub user_id: Uuid,
    pub cents: u64,
    pub payment_id: String,
    pub status: Status,
}

#[event("order.validated")]
pub struct OrderValidated(pub Order);

#[event("order.enriched")]
pub struct OrderEnriched(pub EnrichedOrder);

#[event("order.shipping-calculated")]
pub struct OrderShippingCalculated(pub PricedOrder);

#[event("order.payment-processed")]
pub struct OrderPaymentProcessed(pub PaidOrder);

#[event("order.placed")]
#[derive(Validate)]
pub struct OrderPlaced {
    #[key]
    #[garde(skip)]
    pub order_id: Uuid,
    #[garde(range(min = 1))]
    pub cents: u64,
}
