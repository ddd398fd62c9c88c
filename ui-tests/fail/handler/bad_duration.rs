use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(timeout = "30 seconds")]
async fn on_user(_user: &UserCreated) {}

fn main() {}
