use kairo::prelude::*;

#[event("saga.completed")]
struct Completed {
    id: u64,
}

fn main() {}
