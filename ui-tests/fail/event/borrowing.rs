use kairo::prelude::*;

#[event("invoice.paid")]
struct InvoicePaid<'a> {
    id: &'a str,
}

fn main() {}
