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
    #[emit]
    fn validated(&self, _order: &Order) {}
}

fn main() {}
