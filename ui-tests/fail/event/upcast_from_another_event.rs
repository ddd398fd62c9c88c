use kairo::prelude::*;

#[event("invoice.settled")]
struct InvoicePaidV1 {
    id: u32,
}

#[event("invoice.paid", version = 2, from(InvoicePaidV1))]
struct InvoicePaid {
    id: u64,
}

impl Upcast<InvoicePaidV1> for InvoicePaid {
    fn upcast(old: InvoicePaidV1) -> Self {
        Self { id: old.id.into() }
    }
}

fn main() {}
