use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler]
async fn on_user(_user: &mut UserCreated) {}

fn main() {}
