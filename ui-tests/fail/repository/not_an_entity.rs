use kairo::prelude::*;

struct User;

fn users(kairo: &Kairo) -> Repository<User> {
    kairo.repository::<User>()
}

fn main() {}
