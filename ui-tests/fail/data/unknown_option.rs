use kairo::prelude::*;

#[data(clone)]
struct Money(u64);

fn main() {}
