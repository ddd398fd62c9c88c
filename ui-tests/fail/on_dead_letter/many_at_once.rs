use kairo::prelude::*;

#[on_dead_letter(pattern = "user.*", retries = 3)]
fn alert() {}

fn main() {}
