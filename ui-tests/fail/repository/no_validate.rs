use kairo::prelude::*;

#[repository("users", validate)]
struct User {
    #[id]
    id: u64,
}

fn main() {}
