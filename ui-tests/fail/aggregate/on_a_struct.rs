use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[aggregate("user")]
struct User {
    name: String,
}

fn main() {}
