use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn check(&self, _order: &Order) {}

    #[step(pure)]
    async fn ship(&self, _paid: &Paid) {}

    #[step(pure)]
    async fn charge(&self) -> Paid {
        Paid
    }
}

fn main() {}
