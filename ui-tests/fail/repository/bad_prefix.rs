use kairo::prelude::*;

#[repository("users", prefix = "saga")]
struct User {
    #[id]
    id: u64,
}

fn main() {}
