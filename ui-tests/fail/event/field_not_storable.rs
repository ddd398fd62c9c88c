use kairo::prelude::*;

pub struct Money(u64);

#[event("invoice.paid")]
struct InvoicePaid {
    total: Money,
}

fn main() {}
