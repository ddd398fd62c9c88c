use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User<T> {
    names: Vec<T>,
}

#[aggregate("user")]
impl<T> User<T> {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
