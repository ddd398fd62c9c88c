use kairo::prelude::*;

#[data]
struct Order {
    cents: u64,
}

#[data]
struct Enriched {
    cents: u64,
}

#[event("order.validated")]
struct OrderValidated(Order);

struct Processing;

trait Validates {
    fn validate(&self, order: Order) -> Order;
}

#[pipeline("processing")]
impl Validates for Processing {
    #[map]
    fn validate(&self, order: Order) -> Order {
        order
    }
}

fn main() {}
