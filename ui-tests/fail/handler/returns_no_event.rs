use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler]
async fn on_user(_user: &UserCreated) -> u32 {
    1
}

fn main() {}
