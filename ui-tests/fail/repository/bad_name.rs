use kairo::prelude::*;

#[repository("App Users")]
struct User {
    #[id]
    id: u64,
}

fn main() {}
