use kairo::prelude::*;

#[data]
struct Order;

struct Checkout {
    order: Order,
}

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn charge(&self, _order: &Order) -> &Order {
        &self.order
    }
}

fn main() {}
