use kairo::prelude::*;

struct Checkout;

impl Checkout {
    #[step]
    async fn charge(&self) {}
}

fn main() {}
