use kairo::prelude::*;

#[event("order.placed")]
struct OrderPlaced {
    cents: u64,
}

struct Processing;

#[pipeline("processing", on = "user.created")]
impl Processing {
    #[map]
    async fn price(&self, order: OrderPlaced) -> u64 {
        order.cents
    }
}

fn main() {}
