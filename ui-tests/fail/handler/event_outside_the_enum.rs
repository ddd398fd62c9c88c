use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[events]
enum UserEvent {
    Created(UserCreated),
}

#[handler(event = "user.deleted")]
async fn on_user(_user: &UserEvent) {}

fn main() {}
