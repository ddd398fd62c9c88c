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

#[pipeline("processing")]
impl Processing {
    #[emit(OrderValidated)]
    fn validated(&self, order: &Order) -> OrderValidated {
        OrderValidated(order.clone())
    }
}

fn main() {}
