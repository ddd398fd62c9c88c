use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(retry(max = 5, exponential))]
async fn on_user(_user: &UserCreated) {}

fn main() {}
