use kairo::prelude::*;

struct Secret(u8);

#[repository("users")]
struct User {
    #[id]
    id: u64,
    secret: Secret,
}

fn main() {}
