use kairo::prelude::*;

#[migrate(from = "00000000000000ff")]
struct Checkout;

fn main() {}
