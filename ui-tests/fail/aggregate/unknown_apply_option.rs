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
    #[apply(inti)]
    fn created(event: &UserCreated) -> Self {
        Self { name: event.name.clone() }
    }
}

fn main() {}
