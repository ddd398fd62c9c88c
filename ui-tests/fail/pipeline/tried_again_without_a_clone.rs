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

struct Ticket {
    number: u64,
}

#[pipeline("processing")]
impl Processing {
    #[map(retry(max = 3))]
    async fn validate(&self, ticket: Ticket) -> u64 {
        ticket.number
    }
}

fn main() {}
