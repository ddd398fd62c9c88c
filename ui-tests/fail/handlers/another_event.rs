use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer;

#[event("order.placed")]
struct OrderPlaced {
    total: u64,
}

#[handlers]
impl Mailer {
    #[handler(event = "user.created")]
    async fn on_user(&self, _order: &OrderPlaced) {}
}

fn main() {}
