use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(retry(backoff = "5s", exponential, pause_max = "1s"))]
async fn on_user(_user: &UserCreated) {}

fn main() {}
