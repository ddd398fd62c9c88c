use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[compensate(chrage)]
    async fn refund(&self, _paid: &Paid) {}

    #[step]
    async fn ship(&self, _paid: &Paid) {}
}

fn main() {}
