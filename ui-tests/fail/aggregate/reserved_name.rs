use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("saga")]
impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
