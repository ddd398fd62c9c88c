#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Every form that a stage, a hook and an option can have.

use kairo::{Validate, Violations, pipeline::Pipeline, prelude::*};

#[data]
struct Order {
    id: u64,
    cents: u64,
}

type SameOrder = Order;

impl Validate for Order {
    fn validate(&self) -> Result<(), Violations> {
        if self.cents == 0 { Err("an order costs something".into()) } else { Ok(()) }
    }
}

struct Priced {
    order: Order,
    total: u64,
}

#[event("order.validated")]
struct OrderValidated(Order);

#[event("order.counted", ephemeral)]
struct OrderCounted;

impl From<&Order> for OrderCounted {
    fn from(_order: &Order) -> Self {
        Self
    }
}

#[event("order.priced")]
struct OrderPriced {
    #[key]
    id: u64,
}

#[events]
enum OrderEvent {
    Validated(OrderValidated),
    Priced(OrderPriced),
}

#[derive(Debug, thiserror::Error, Classify)]
enum OrderError {
    #[error("refused")]
    #[permanent]
    Refused,
}

struct Mailer;

struct Processing;

#[pipeline("processing", events = "stages", timeout = "1m")]
impl Processing {
    #[filter(retry(max = 1), timeout = "1s")]
    async fn is_open(&self, order: &Order, _mailer: State<Mailer>) -> Result<bool, OrderError> {
        if order.id == 0 { Err(OrderError::Refused) } else { Ok(true) }
    }

    #[map(retry(max = 3, backoff = "2s", exponential, jitter), timeout = "5s")]
    #[emit(OrderValidated, OrderCounted)]
    async fn validate(&self, order: Order) -> Result<Order, Failure> {
        Ok(order)
    }

    #[map]
    async fn price(&self, order: &SameOrder, attempt: Attempt, bus: &Publisher) -> Priced {
        let _ = (attempt, bus);
        Priced { total: order.cents, order: order.clone() }
    }

    #[filter]
    fn is_dear(&self, priced: &Priced) -> bool {
        10 < priced.total
    }

    #[emit]
    fn priced(&self, priced: &Priced) -> OrderPriced {
        OrderPriced { id: priced.order.id }
    }

    #[emit(retry(max = 2))]
    async fn perhaps(&self, priced: &Priced) -> Result<Option<OrderPriced>, OrderError> {
        Ok(Some(OrderPriced { id: priced.order.id }))
    }

    #[emit]
    fn all(&self, priced: &Priced, key: IdempotencyKey) -> Vec<OrderEvent> {
        let _ = key;
        let priced_event = OrderEvent::Priced(OrderPriced { id: priced.order.id });
        vec![OrderEvent::Validated(OrderValidated(priced.order.clone())), priced_event]
    }

    #[map]
    fn total(&self, priced: Priced) -> u64 {
        priced.total
    }

    #[on_success]
    async fn well(&self, total: &u64, _mailer: State<Mailer>) -> Result<(), OrderError> {
        if *total == 0 { Err(OrderError::Refused) } else { Ok(()) }
    }

    #[on_error]
    fn badly(&self, error: &PipelineError) {
        let _ = error.stage();
    }

    fn help(&self) -> &'static str {
        "a plain method stays what it is"
    }
}

#[event("parcel.sent")]
struct ParcelSent {
    parcel: u64,
}

struct Tracking;

#[pipeline("tracking", on = "parcel.sent", events = "run")]
impl Tracking {
    #[map]
    async fn track(&self, sent: &ParcelSent) {
        let _ = sent.parcel;
    }

    #[on_error]
    fn lost(&self) {}
}

fn main() {
    assert_eq!(Processing.help().len(), 31);
    let stages = ["is_open", "validate", "price", "is_dear", "priced", "perhaps", "all", "total"];
    assert_eq!(Processing.stages(), stages);
    assert_eq!(Tracking.name(), "tracking");
    assert_eq!(Processing.total(Priced { order: Order { id: 1, cents: 2 }, total: 2 }), 2);
    let _ = async |kairo: &Kairo| kairo.pipeline(Tracking).execute(ParcelSent { parcel: 1 }).await;
}
