use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn phase(&self, _order: &Order) {}
}

fn main() {}
