use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge<T>(&self, _order: &Order, _more: T) -> Paid {
        Paid
    }
}

fn main() {}
