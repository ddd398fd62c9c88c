use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("user.typed", ephemeral)]
struct UserTyped {
    user_id: u64,
}

#[events]
enum UserEvent {
    Created(UserCreated),
    Typed(UserTyped),
}

fn main() {}
