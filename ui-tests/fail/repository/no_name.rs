use kairo::prelude::*;

#[repository]
struct User {
    #[id]
    id: u64,
}

fn main() {}
