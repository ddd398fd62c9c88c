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
    #[filter]
    fn is_open(&self, order: &Order) -> bool {
        0 < order.cents
    }
}

fn main() {}
