use kairo::prelude::*;

trait Charges {
    async fn charge(&self);
}

struct Checkout;

#[saga("checkout")]
impl Charges for Checkout {
    #[step]
    async fn charge(&self) {}
}

fn main() {}
