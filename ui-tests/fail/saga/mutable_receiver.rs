use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&mut self, _order: &Order) -> Paid {
        Paid
    }
}

fn main() {}
