use kairo::prelude::*;

#[event]
struct InvoicePaid {
    id: u64,
}

fn main() {}
