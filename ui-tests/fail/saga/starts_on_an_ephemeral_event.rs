use kairo::prelude::*;

#[event("order.placed", ephemeral)]
struct OrderPlaced;

struct Checkout;

#[saga("checkout", on = "order.placed")]
impl Checkout {
    #[step]
    async fn ship(&self, _order: &OrderPlaced) {}
}

fn main() {}
