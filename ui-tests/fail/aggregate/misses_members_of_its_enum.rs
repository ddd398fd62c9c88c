use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[event("user.renamed")]
struct UserRenamed {
    name: String,
}

#[event("user.suspended-for-fraud")]
struct UserSuspended;

#[derive(Default)]
struct User {
    name: String,
}

#[events]
enum UserEvent {
    Created(UserCreated),
    Renamed(UserRenamed),
    Suspended(UserSuspended),
}

#[aggregate("user", event = UserEvent)]
impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
