use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[index]
    tags: Vec<String>,
}

fn main() {}
