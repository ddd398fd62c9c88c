use kairo::prelude::*;

#[repository("users")]
enum User {
    Known { id: u64 },
}

fn main() {}
