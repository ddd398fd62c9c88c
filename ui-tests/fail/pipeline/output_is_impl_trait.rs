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
    #[map]
    fn validate(&self, order: Order) -> impl Future<Output = Order> {
        std::future::ready(order)
    }
}

fn main() {}
