use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(event = "user.craeted")]
async fn on_user(user: UserCreated) {
    let _ = user.user_id;
}

fn main() {}
