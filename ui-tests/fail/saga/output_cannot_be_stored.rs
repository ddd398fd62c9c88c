use kairo::prelude::*;

struct Receipt;

#[data]
struct Order;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Result<Receipt, Failure> {
        Ok(Receipt)
    }

    #[step(pure)]
    async fn check(&self, _receipt: &Receipt) {}

    #[step]
    async fn ship(&self, _receipt: &Receipt) {}
}

fn main() {}
