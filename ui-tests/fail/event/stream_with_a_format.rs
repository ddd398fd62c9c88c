use kairo::prelude::*;

#[event("invoice.paid", stream = "invoice-{id:04}")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
