use kairo::prelude::*;

#[event("invoice.paid")]
struct InvoicePaid {
    #[serde(skip)]
    cache: std::rc::Rc<u64>,
}

fn main() {}
