use kairo::prelude::*;

#[on_dead_letter]
async fn alert() {}

fn main() {}
