use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[index(desc)]
    email: String,
}

fn main() {}
