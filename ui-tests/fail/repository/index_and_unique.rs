use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[index]
    #[unique]
    email: String,
}

fn main() {}
