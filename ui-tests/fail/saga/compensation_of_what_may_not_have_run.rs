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

    #[step(after())]
    async fn reserve(&self) {}

    #[compensate(reserve)]
    async fn release(&self, _paid: &Paid) {}

    #[step]
    async fn ship(&self, _paid: &Paid) {}
}

fn main() {}
