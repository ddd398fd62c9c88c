use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[version]
    version: u64,
    #[version]
    revision: u64,
}

fn main() {}
