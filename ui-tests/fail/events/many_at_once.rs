use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[events("user.", prefx = "user")]
enum UserEvent<T> {
    Created(UserCreated),
    Again(UserCreated),
    Renamed { name: T },
    #[other]
    Other(String),
}

fn main() {}
