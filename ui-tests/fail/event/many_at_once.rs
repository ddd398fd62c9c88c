use kairo::prelude::*;

#[event("Invoice Paid", versoin = 2, stream = "{nobody}", ephemeral = true)]
struct InvoicePaid<T> {
    id: T,
}

#[event("order.placed", version = "two")]
struct OrderPlaced {
    #[key]
    id: u64,
    #[key("x")]
    user_id: u64,
}

// No echoes: the types are still events, so nothing is reported here.
#[handler]
async fn audit(_order: &OrderPlaced) {}

fn main() {}
