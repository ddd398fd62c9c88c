use kairo::prelude::*;

#[event("invoice.viewed", version = 2, ephemeral)]
struct InvoiceViewed {
    id: u64,
}

fn main() {}
