use kairo::prelude::*;

#[data]
fn nothing() {}

fn main() {}
