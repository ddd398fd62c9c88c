use kairo::prelude::*;

#[data]
#[derive(Event)]
#[kairo("invoice.paid")]
struct InvoicePaid {
    id: u64,
}

fn main() {}
