use kairo::prelude::*;

#[event("invoice.paid", version = 2)]
struct InvoicePaid {
    id: u64,
}

fn main() {}
