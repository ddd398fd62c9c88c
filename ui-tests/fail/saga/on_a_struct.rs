use kairo::prelude::*;

#[saga("checkout")]
struct Checkout;

fn main() {}
