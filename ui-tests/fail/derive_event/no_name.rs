use kairo::prelude::*;

#[data]
#[derive(Event)]
struct InvoicePaid {
    id: u64,
}

fn main() {}
