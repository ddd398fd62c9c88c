use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[version]
    version: u32,
}

fn main() {}
