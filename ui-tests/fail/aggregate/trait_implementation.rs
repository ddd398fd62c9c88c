use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

trait Applies {
    fn created(&mut self, event: &UserCreated);
}

#[aggregate("user")]
impl Applies for User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
