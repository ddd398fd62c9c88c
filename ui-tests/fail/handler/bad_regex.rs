use kairo::prelude::*;

#[handler(regex = "user\\.(")]
async fn audit(_event: &AnyEvent) {}

fn main() {}
