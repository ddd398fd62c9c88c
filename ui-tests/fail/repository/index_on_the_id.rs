use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    #[unique]
    id: u64,
}

fn main() {}
