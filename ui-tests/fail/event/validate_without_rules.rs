use kairo::prelude::*;

#[event("invoice.paid", validate)]
struct InvoicePaid {
    id: u64,
}

fn main() {}
