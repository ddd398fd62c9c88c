use kairo::prelude::*;

#[event("invoice.*")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
