use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("order.placed")]
struct OrderPlaced {
    total: u64,
}

#[handler(event = "user.created")]
async fn on_user(order: OrderPlaced) {
    let _ = order.total;
}

fn main() {}
