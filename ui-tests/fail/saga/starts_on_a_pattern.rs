use kairo::prelude::*;

#[event("order.placed")]
struct OrderPlaced;

struct Checkout;

#[saga("checkout", on = "order.*")]
impl Checkout {
    #[step]
    async fn ship(&self, _order: &OrderPlaced) {}
}

fn main() {}
