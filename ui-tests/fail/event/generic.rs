use kairo::prelude::*;

#[event("invoice.paid")]
struct InvoicePaid<T> {
    id: T,
}

fn main() {}
