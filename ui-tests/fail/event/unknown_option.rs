use kairo::prelude::*;

#[event("invoice.paid", efemeral)]
struct InvoicePaid {
    id: u64,
}

fn main() {}
