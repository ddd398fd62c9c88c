use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(no_compensation = "money stays")]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[compensate(charge)]
    async fn refund(&self) {}
}

fn main() {}
