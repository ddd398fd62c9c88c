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
    fn cents(&self, order: &Order) -> &'static u64 {
        if order.cents == 0 { &0 } else { &1 }
    }
}

fn main() {}
