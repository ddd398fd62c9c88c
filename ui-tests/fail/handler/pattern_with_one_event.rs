use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(pattern = "user.*")]
async fn on_user(_user: UserCreated) {}

fn main() {}
