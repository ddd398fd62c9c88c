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

#[pipeline("Processing", on = "order.*", event = "run")]
impl Processing {
    #[map(retries = 3)]
    async fn validate(order: Order) -> Order {
        order
    }

    #[filter]
    fn is_open(&self, order: Order) -> u64 {
        order.cents
    }

    #[emit]
    fn validated(&self, bus: Publisher) {
        drop(bus);
    }

    #[on_success]
    fn well(&self) -> u64 {
        1
    }
}

fn main() {}
