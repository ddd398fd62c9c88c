use kairo::prelude::*;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn charge(&self, order: &Order) -> impl Sized {
        order.clone()
    }
}

fn main() {}
