use kairo::prelude::*;

#[event("invoice.paid")]
struct InvoicePaidV1 {
    id: u32,
}

#[event("invoice.paid", version = 2, from(InvoicePaidV1))]
struct InvoicePaid {
    id: u64,
}

fn main() {}
