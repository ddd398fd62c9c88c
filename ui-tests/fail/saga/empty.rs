use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    async fn charge(&self, _order: &Order) {}
}

fn main() {}
