use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("order.placed")]
struct OrderPlaced {
    total: u64,
}

#[events("user.*")]
enum UserEvent {
    Created(UserCreated),
    Placed(OrderPlaced),
}

fn main() {}
