use kairo::prelude::*;

#[data]
struct UserV2 {
    id: u64,
}

#[repository("users", version = 3, from(UserV2))]
struct User {
    #[id]
    id: u64,
}

fn main() {}
