use kairo::prelude::*;

#[repository("users", table = "App-Users")]
struct User {
    #[id]
    id: u64,
}

fn main() {}
