use kairo::prelude::*;

#[event("Invoice Paid")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
