use kairo::prelude::*;

#[repository("users", version = 3)]
struct User {
    #[id]
    id: u64,
}

fn main() {}
