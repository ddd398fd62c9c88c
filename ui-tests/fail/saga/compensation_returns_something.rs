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

    #[compensate(charge)]
    async fn refund(&self, _paid: &Paid) -> Result<u64, Failure> {
        Ok(1)
    }
}

fn main() {}
