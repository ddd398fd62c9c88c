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
    async fn validate(&self, order: Order, _mail: impl Send) -> Order {
        order
    }
}

fn main() {}
