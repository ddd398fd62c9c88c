use kairo::prelude::*;

#[repository("users")]
fn user() {}

fn main() {}
