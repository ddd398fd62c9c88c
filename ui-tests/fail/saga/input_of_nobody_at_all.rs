use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn ship(&self, _order: Option<&Order>) {}
}

fn main() {}
