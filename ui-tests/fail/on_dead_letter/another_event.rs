use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[on_dead_letter]
async fn alert(_user: &UserCreated) {}

fn main() {}
