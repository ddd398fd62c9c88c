use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

type Registered = UserCreated;

#[events]
enum UserEvent {
    Created(UserCreated),
    Registered(Registered),
}

fn main() {}
