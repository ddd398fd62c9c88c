use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[step(pure)]
    async fn ship(&self, _paid: &Paid) {}

    #[step]
    #[on_error]
    async fn warn(&self) {}
}

fn main() {}
