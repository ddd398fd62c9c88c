use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure, after(charge))]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }
}

fn main() {}
