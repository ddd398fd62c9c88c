use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[events]
enum UserEvent {
    Created(UserCreated),
    #[other]
    Other(String),
}

fn main() {}
