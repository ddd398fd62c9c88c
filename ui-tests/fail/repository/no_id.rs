use kairo::prelude::*;

#[repository("users")]
struct User {
    id: u64,
    name: String,
}

fn main() {}
