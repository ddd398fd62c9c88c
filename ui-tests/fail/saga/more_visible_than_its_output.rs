use kairo::prelude::*;

#[data]
pub struct Order;

#[data]
struct Paid;

pub struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }
}

fn main() {}
