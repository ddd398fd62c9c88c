use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: Vec<u8>,
}

fn main() {}
