use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(filter = is_wanted)]
async fn on_user(_user: &UserCreated) {}

fn is_wanted(text: &String) -> bool {
    text.is_empty()
}

fn main() {}
