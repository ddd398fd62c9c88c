use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[uniqe]
    email: String,
}

fn main() {}
