use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn ship(&self, _order: &Order, #[from(charge)] _paid: &Paid) {}

    #[step]
    async fn charge(&self) -> Paid {
        Paid
    }
}

fn main() {}
