use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[event("user.renamed")]
struct UserRenamed {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

#[events]
enum UserEvent {
    Created(UserCreated),
}

#[aggregate("user", event = UserEvent)]
impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}

    #[apply]
    fn renamed(&mut self, _event: &UserRenamed) {}
}

fn main() {}
