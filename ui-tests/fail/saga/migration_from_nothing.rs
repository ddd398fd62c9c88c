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

    #[migrate]
    fn renamed(state: Value) -> Result<Value, Failure> {
        Ok(state)
    }
}

fn main() {}
