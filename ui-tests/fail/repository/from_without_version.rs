use kairo::prelude::*;

#[data]
struct UserV1 {
    id: u64,
}

#[repository("users", from(UserV1))]
struct User {
    #[id]
    id: u64,
}

fn main() {}
