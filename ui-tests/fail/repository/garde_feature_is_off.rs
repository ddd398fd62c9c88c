use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[garde(length(min = 1))]
    name: String,
}

fn main() {}
