use kairo::prelude::*;

#[events]
enum OrderEvent {
    Placed { total: u64 },
}

fn main() {}
