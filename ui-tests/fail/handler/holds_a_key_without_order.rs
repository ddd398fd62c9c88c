use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(unordered, on_dead = "hold-key")]
async fn on_user(_user: &UserCreated) {}

fn main() {}
