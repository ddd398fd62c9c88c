//! The saga: six steps, four of which have something to undo.

use std::sync::Arc;

use kairo::{prelude::*, saga::SagaFailure};

use crate::services::{OrderError, Services};

#[data]
pub struct Item {
    pub product: String,
    pub quantity: u32,
    pub cents: u64,
}

#[data]
pub struct OrderData {
    pub items: Vec<Item>,
    pub customer: String,
    pub email: String,
}

/// An order that has been checked.
#[data]
pub struct ValidatedOrder {
    pub items: Vec<Item>,
    pub email: String,
    pub total: u64,
}

#[data]
pub struct Reservation(pub String);

#[data]
pub struct Payment(pub String);

#[data]
pub struct OrderId(pub String);

#[data]
pub struct Confirmation;

#[derive(Clone)]
pub struct EcommerceOrder {
    pub services: Arc<Services>,
}

#[saga("ecommerce-order", timeout = "10m", output = create_order)]
impl EcommerceOrder {
    #[step(pure)]
    async fn validate_order(&self, order: &OrderData) -> Result<ValidatedOrder, OrderError> {
        self.services.at("validate_order")?;
        if order.items.is_empty() {
            return Err(OrderError::Refused("it has no items".into()));
        }
        let total = order.items.iter().map(|item| item.cents * u64::from(item.quantity)).sum();
        println!("  validated: {} items for {total} cents", order.items.len());
        Ok(ValidatedOrder { items: order.items.clone(), email: order.email.clone(), total })
    }

    #[step(retry(max = 5, backoff = "50ms"))]
    async fn reserve_inventory(&self, order: &ValidatedOrder) -> Result<Reservation, OrderError> {
        self.services.at("reserve_inventory")?;
        println!("  reserved: {} products", order.items.len());
        Ok(Reservation("reservation-1".into()))
    }

    #[compensate(reserve_inventory)]
    async fn release_inventory(&self, reservation: &Reservation) {
        println!("  rolling back inventory reservation: {}", reservation.0);
    }

    #[step]
    async fn charge_payment(
        &self,
        order: &ValidatedOrder,
        key: IdempotencyKey,
    ) -> Result<Payment, OrderError> {
        self.services.at("charge_payment")?;
        Ok(Payment(Services::charge(order.total, &key)?))
    }

    #[compensate(charge_payment)]
    async fn refund(&self, payment: Option<&Payment>) {
        match payment {
            Some(payment) => println!("  refunding payment: {}", payment.0),
            None => println!("  refunding whatever was charged, if anything was"),
        }
    }

    #[step]
    async fn create_order(
        &self,
        _order: &ValidatedOrder,
        reservation: &Reservation,
        payment: &Payment,
    ) -> Result<OrderId, OrderError> {
        self.services.at("create_order")?;
        println!("  created: order-1 with {} and {}", reservation.0, payment.0);
        Ok(OrderId("order-1".into()))
    }

    #[compensate(create_order)]
    async fn cancel_order(&self, id: &OrderId) {
        println!("  cancelling order: {}", id.0);
    }

    #[step]
    async fn send_confirmation(
        &self,
        id: &OrderId,
        order: &ValidatedOrder,
    ) -> Result<Confirmation, OrderError> {
        self.services.at("send_confirmation")?;
        println!("  confirmed {} to {}", id.0, order.email);
        Ok(Confirmation)
    }

    #[compensate(send_confirmation)]
    async fn send_cancellation(&self, id: &OrderId) {
        println!("  sending cancellation email for order: {}", id.0);
    }

    #[step]
    async fn trigger_fulfillment(&self, id: &OrderId) -> Result<(), OrderError> {
        self.services.at("trigger_fulfillment")?;
        println!("  fulfillment of {} begins", id.0);
        Ok(())
    }

    #[on_error]
    async fn told(&self, failure: &SagaFailure) {
        println!("  told the customer: {failure}");
    }
}
