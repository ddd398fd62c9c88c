use kairo::prelude::*;

#[event("invoice.settled")]
struct InvoiceSettled {
    id: u64,
}

#[event("invoice.paid", from(InvoiceSettled))]
struct InvoicePaid {
    id: u64,
}

fn main() {}
