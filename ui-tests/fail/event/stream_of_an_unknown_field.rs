use kairo::prelude::*;

#[event("invoice.paid", stream = "invoice-{invoice_di}")]
struct InvoicePaid {
    invoice_id: u64,
}

fn main() {}
