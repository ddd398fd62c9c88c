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
    #[filter]
    fn is_open(&self, order: &Order) -> Result<u64, Failure> {
        Ok(order.cents)
    }
}

fn main() {}
