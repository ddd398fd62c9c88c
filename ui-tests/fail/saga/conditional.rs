use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[cfg(all())]
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }
}

fn main() {}
