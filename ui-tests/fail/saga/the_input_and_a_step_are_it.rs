use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn check(&self, _order: &Order) -> Order {
        Order
    }

    #[step]
    async fn ship(&self, _order: &Order) {}
}

fn main() {}
