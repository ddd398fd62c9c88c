use kairo::prelude::*;

#[repository("users", prefix = "user", emit_events = false)]
struct User {
    #[id]
    id: u64,
}

fn main() {}
