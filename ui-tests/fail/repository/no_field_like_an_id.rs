use kairo::prelude::*;

#[repository("users")]
struct User {
    name: String,
}

fn main() {}
