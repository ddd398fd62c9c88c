use kairo::prelude::*;

#[event("kairo.started")]
struct Started {
    id: u64,
}

fn main() {}
