use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("order.placed")]
struct OrderPlaced {
    total: u64,
}

#[events]
enum Mixed {
    Created(UserCreated),
    Placed(OrderPlaced),
}

#[handler(pattern = "user.*")]
async fn on_user(_event: Mixed) {}

fn main() {}
