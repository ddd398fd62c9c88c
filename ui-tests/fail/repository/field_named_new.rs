use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    new: bool,
}

fn main() {}
