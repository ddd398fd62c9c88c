use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout", on = "order.placed")]
impl Checkout {
    #[step]
    async fn ship(&self, _order: &Order) {}
}

fn main() {}
