use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(on_unknown = "compensate")]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[compensate(charge)]
    async fn refund(&self, _paid: &Paid) {}

    #[step]
    async fn ship(&self, _paid: &Paid) {}
}

fn main() {}
