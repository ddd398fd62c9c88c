use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout", time_out = "10m")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }
}

fn main() {}
