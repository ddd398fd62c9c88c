use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[id]
    name: String,
}

fn main() {}
