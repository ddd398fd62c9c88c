use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(concurrency = 257)]
async fn on_user(_user: &UserCreated) {}

fn main() {}
