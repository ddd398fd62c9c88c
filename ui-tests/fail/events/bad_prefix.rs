use kairo::prelude::*;

#[events(prefix = "Order.")]
enum OrderEvent {
    Placed(u64),
}

fn main() {}
