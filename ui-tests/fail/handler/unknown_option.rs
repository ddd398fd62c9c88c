use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(evnt = "user.created")]
async fn on_user(_user: &UserCreated) {}

fn main() {}
