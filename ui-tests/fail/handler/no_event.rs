use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(event = "user.created")]
async fn on_user() {}

fn main() {}
