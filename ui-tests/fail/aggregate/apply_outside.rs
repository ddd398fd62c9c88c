use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

#[apply]
fn renamed(_event: &UserCreated) {}

fn main() {}
