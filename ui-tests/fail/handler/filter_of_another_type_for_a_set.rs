use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[events]
enum UserEvent {
    Created(UserCreated),
}

#[handler(pattern = "user.*", filter = is_wanted)]
async fn on_user(_user: &UserEvent) {}

fn is_wanted(text: &String) -> bool {
    text.is_empty()
}

fn main() {}
