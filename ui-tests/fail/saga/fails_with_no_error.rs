use kairo::prelude::*;

struct Refused;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Result<Paid, Refused> {
        Ok(Paid)
    }
}

fn main() {}
