use kairo::prelude::*;

#[events(prefix = "kairo")]
enum KairoEvent {
    Started(u64),
    Stopped(u64),
}

fn main() {}
