use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
}

#[repository("users", table = "people")]
struct Person {
    #[id]
    id: u64,
}

fn main() {}
