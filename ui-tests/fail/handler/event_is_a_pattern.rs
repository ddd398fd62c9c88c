use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(event = "user.*")]
async fn on_user(_event: &AnyEvent) {}

fn main() {}
