use kairo::prelude::*;

#[repository("users")]
struct User(u64, String);

fn main() {}
