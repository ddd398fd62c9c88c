use kairo::prelude::*;

#[repository("users", hooks)]
struct User {
    #[id]
    id: u64,
}

fn main() {}
