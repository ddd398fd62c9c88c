use kairo::prelude::*;

#[event("user.typed", ephemeral)]
struct UserTyped;

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn typed(&mut self, _event: &UserTyped) {}
}

fn main() {}
