use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
