use kairo::prelude::*;

struct Key(u8);

#[repository("users")]
struct User {
    #[id]
    id: Key,
}

fn main() {}
