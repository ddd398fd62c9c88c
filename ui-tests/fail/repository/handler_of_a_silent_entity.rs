use kairo::prelude::*;

#[repository("users", emit_events = false)]
struct User {
    #[id]
    id: u64,
}

#[handler]
async fn index(_event: &Created<User>) {}

fn main() {}
