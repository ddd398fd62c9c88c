use kairo::prelude::*;

#[repository("users", table = "kairo_event")]
struct User {
    #[id]
    id: u64,
}

fn main() {}
