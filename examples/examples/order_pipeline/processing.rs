//! The pipeline: four stages, each of which leaves an event behind.

use std::sync::{Arc, Mutex, PoisonError};

use kairo::prelude::*;

use crate::order::{
    EnrichedOrder, Order, OrderEnriched, OrderPaymentProcessed, OrderShippingCalculated,
    OrderValidated, PaidOrder, PricedOrder, Status,
};

#[derive(Debug, thiserror::Error, Classify)]
pub enum OrderError {
    #[error("the order was placed already")]
    #[permanent]
    NotPending,
    #[error("the customer service does not answer")]
    NoAnswer,
}

pub struct Customer {
    pub tier: String,
    pub default_address: String,
}

/// A service that does not answer at first.
#[derive(Default)]
pub struct CustomerService {
    asked: Mutex<u32>,
}

impl CustomerService {
    fn customer(&self) -> Result<Customer, OrderError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked += 1;
        if *asked == 1 {
            println!("  enrich_order: no answer");
            return Err(OrderError::NoAnswer);
        }
        Ok(Customer { tier: "gold".into(), default_address: "1 Main Street".into() })
    }
}

/// A bank that refuses large sums.
pub struct PaymentService {
    pub max_cents: u64,
}

#[derive(Clone, Default)]
pub struct OrderProcessing {
    pub customers: Arc<CustomerService>,
}

#[pipeline("order-processing", events = "run", timeout = "1m")]
impl OrderProcessing {
    #[map]
    #[emit(OrderValidated)]
    fn validate_order(&self, order: Order) -> Result<Order, OrderError> {
        if order.status != Status::Pending {
            return Err(OrderError::NotPending);
        }
        println!("  validated: {} cents", order.cents);
        Ok(order)
    }

    #[map(retry(max = 3, backoff = "20ms"), timeout = "5s")]
    #[emit(OrderEnriched)]
    async fn enrich_order(&self, order: Order) -> Result<EnrichedOrder, OrderError> {
        let Customer { tier, default_address } = self.customers.customer()?;
        println!("  enriched: {tier}, to {default_address}");
        Ok(EnrichedOrder { order, customer_tier: tier, shipping_address: default_address })
    }

    #[map]
    #[emit(OrderShippingCalculated)]
    fn calculate_shipping(&self, order: EnrichedOrder) -> PricedOrder {
        let shipping_cents = if order.customer_tier == "gold" { 0 } else { 490 };
        let final_cents = order.order.cents + shipping_cents;
        println!("  shipping: {shipping_cents} cents, {final_cents} in all");
        PricedOrder { order, shipping_cents, final_cents }
    }

    #[map]
    async fn process_payment(
        &self,
        order: PricedOrder,
        payments: State<PaymentService>,
        key: IdempotencyKey,
    ) -> PaidOrder {
        let paid = order.final_cents <= payments.max_cents;
        println!("  paid: {paid}, under a key of {}", key.place());
        let Order { id, user_id, .. } = order.order.order;
        PaidOrder {
            order_id: id,
            user_id,
            cents: order.final_cents,
            payment_id: "payment-1".into(),
            status: if paid { Status::Processing } else { Status::Failed },
        }
    }

    #[emit]
    fn payment_processed(&self, order: &PaidOrder) -> OrderPaymentProcessed {
        OrderPaymentProcessed(order.clone())
    }

    #[on_error]
    fn refused(&self, error: &PipelineError) {
        println!("  refused at {}", error.stage().unwrap_or("the door"));
    }
}
