use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

#[data]
struct Shipped;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[compensate(charge)]
    async fn refund(&self, _shipped: &Shipped) {}

    #[step]
    async fn ship(&self, _paid: &Paid) -> Shipped {
        Shipped
    }
}

fn main() {}
