use kairo::prelude::*;

#[event("invoice..paid")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
