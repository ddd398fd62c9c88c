use kairo::prelude::*;

#[event("invoice.paid", stream = "invoice-{id}")]
struct InvoicePaid {
    #[key]
    id: u64,
}

fn main() {}
