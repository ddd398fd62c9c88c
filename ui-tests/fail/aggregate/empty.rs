use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
