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

#[aggregate("user")]
impl User {
    #[apply]
    fn created<T: Into<String>>(&mut self, _event: &UserCreated) {}

    #[apply]
    fn renamed<'a>(&'a mut self, _event: &'a UserRenamed) {}
}

fn main() {}
