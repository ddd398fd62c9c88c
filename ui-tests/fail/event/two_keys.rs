use kairo::prelude::*;

#[event("invoice.paid")]
struct InvoicePaid {
    #[key]
    id: u64,
    #[key]
    user_id: u64,
}

fn main() {}
