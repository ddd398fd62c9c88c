use kairo::prelude::*;

use kairo::serde_json::Value;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    #[migrate(from = "00000000000000ff")]
    fn renamed(&self, state: Value) -> Result<Value, Failure> {
        Ok(state)
    }
}

fn main() {}
