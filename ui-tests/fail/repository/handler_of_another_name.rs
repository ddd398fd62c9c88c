use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
}

#[handler(event = "users.craeted")]
async fn index(_event: &Created<User>) {}

fn main() {}
