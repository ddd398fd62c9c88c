use kairo::prelude::*;

#[derive(garde::Validate)]
struct Order {
    #[garde(range(min = 1))]
    cents: u64,
}

struct Processing;

#[pipeline("processing")]
impl Processing {
    #[map]
    async fn cents(&self, order: Order) -> u64 {
        order.cents
    }
}

fn main() {}
