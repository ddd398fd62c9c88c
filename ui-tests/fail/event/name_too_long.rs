use kairo::prelude::*;

#[event("invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.invoice.x")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
