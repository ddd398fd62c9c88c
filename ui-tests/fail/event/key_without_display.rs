use kairo::prelude::*;

#[data]
struct InvoiceId(u64);

#[event("invoice.paid")]
struct InvoicePaid {
    #[key]
    id: InvoiceId,
}

fn main() {}
