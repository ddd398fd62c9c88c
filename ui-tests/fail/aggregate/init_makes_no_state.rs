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
    #[apply(init)]
    fn created(_event: &UserCreated) -> Option<Self> {
        None
    }
}

fn main() {}
