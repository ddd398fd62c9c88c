#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! A saga with compensations, typed by what its steps take and return.

use std::task::{Context as Poller, Poll, Waker};

use kairo::{
    blueprint::{Takes, Undo},
    prelude::*,
    saga::{Saga, SagaStep},
};

/// What is ordered.
#[data]
#[derive(PartialEq)]
pub struct OrderData {
    /// Which article.
    pub sku: String,
    /// For how much.
    pub cents: u64,
}

#[data]
#[derive(PartialEq)]
struct ValidatedOrder {
    cents: u64,
}

#[data]
struct Reservation {
    id: u64,
}

#[data]
struct Payment {
    id: u64,
}

/// The order.
#[data]
pub struct OrderId(u64);

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("an order is for something")]
    Nothing,
}

struct Stock;

/// Orders things.
#[derive(Debug)]
pub struct EcommerceOrder {
    next: u64,
}

#[saga("ecommerce-order", timeout = "10m")]
impl EcommerceOrder {
    #[step(pure)]
    async fn validate_order(&self, order: &OrderData) -> Result<ValidatedOrder, OrderError> {
        if order.cents == 0 {
            Err(OrderError::Nothing)
        } else {
            Ok(ValidatedOrder { cents: order.cents })
        }
    }

    #[step(retry(max = 5, backoff = "1s"))]
    async fn reserve_inventory(
        &self,
        order: &ValidatedOrder,
        _stock: State<Stock>,
    ) -> Result<Reservation, Failure> {
        Ok(Reservation { id: order.cents })
    }

    #[compensate(reserve_inventory)]
    async fn release_inventory(&self, _reservation: &Reservation) -> Result<(), OrderError> {
        Ok(())
    }

    #[step]
    async fn charge_payment(&self, order: &ValidatedOrder, _key: IdempotencyKey) -> Payment {
        Payment { id: order.cents }
    }

    #[compensate(charge_payment, timeout = "1m")]
    async fn refund(&self, payment: Option<&Payment>, order: &OrderData, _key: IdempotencyKey) {
        assert!(payment.is_none_or(|payment| payment.id == order.cents));
    }

    #[step]
    async fn create_order(
        &self,
        order: &ValidatedOrder,
        reservation: &Reservation,
        payment: &Payment,
    ) -> kairo::Result<OrderId> {
        Ok(OrderId(self.next() + order.cents + reservation.id + payment.id))
    }

    #[compensate(create_order)]
    async fn cancel_order(&self, id: &OrderId) -> kairo::Result {
        assert!(id.0 < 100);
        Ok(())
    }

    const fn next(&self) -> u64 {
        self.next
    }
}

async fn use_it(kairo: &Kairo) -> kairo::Result<()> {
    let order = OrderData { sku: "book".into(), cents: 5 };
    let id = kairo.saga(EcommerceOrder { next: 1 }).start(order).await?;
    println!("{id:?}");
    Ok(())
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Poller::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

fn main() {
    // The methods stay callable as they were written.
    let saga = EcommerceOrder { next: 1 };
    let order = OrderData { sku: "book".into(), cents: 5 };
    let validated = ready(saga.validate_order(&order)).unwrap();
    assert_eq!(validated, ValidatedOrder { cents: 5 });
    assert!(ready(saga.validate_order(&OrderData { cents: 0, ..order.clone() })).is_err());
    let payment = Payment { id: 5 };
    let id = ready(saga.create_order(&validated, &Reservation { id: 2 }, &payment)).unwrap();
    assert_eq!(id.0, 13);
    ready(saga.cancel_order(&id)).unwrap();

    let blueprint = EcommerceOrder::blueprint();
    assert_eq!(blueprint.name, "ecommerce-order");
    assert_eq!(blueprint.fingerprint(), EcommerceOrder::SHAPE);
    assert_eq!(blueprint.output, 3);
    let steps: Vec<_> = blueprint.steps.iter().map(|step| (step.name, step.after)).collect();
    let expected: [(&str, &[usize]); 4] = [
        ("validate_order", &[]),
        ("reserve_inventory", &[0]),
        ("charge_payment", &[0, 1]),
        ("create_order", &[0, 1, 2]),
    ];
    assert_eq!(steps, expected);
    let undo: Vec<_> = blueprint.steps.iter().map(|step| &step.undo).collect();
    assert!(matches!(undo[0], Undo::Pure));
    assert!(matches!(undo[1], Undo::By { takes: Takes::Output, timeout: None, .. }));
    assert!(matches!(undo[2], Undo::By { takes: Takes::Maybe, timeout: Some(_), .. }));

    let names: Vec<_> = EcommerceOrderStep::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names, steps.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(
        EcommerceOrderStep::of_name("charge_payment"),
        Some(EcommerceOrderStep::ChargePayment)
    );
    let state = EcommerceOrderState {
        phase: kairo::saga::Phase::Running,
        input: order,
        validate_order: kairo::saga::Slot::default(),
        reserve_inventory: kairo::saga::Slot::default(),
        charge_payment: kairo::saga::Slot::default(),
        create_order: kairo::saga::Slot::default(),
    };
    assert!(format!("{:?}", state.clone()).contains("sku: \"book\""));
    let _ = use_it;
    let _ = OrderId(0).clone().0;
}
