use kairo::prelude::*;

#[data]
struct UserV1 {
    id: u64,
}

#[repository("users", version = 2, from(UserV1))]
struct User {
    #[id]
    id: u64,
    name: String,
}

fn main() {}
