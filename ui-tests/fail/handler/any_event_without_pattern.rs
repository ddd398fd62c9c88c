use kairo::prelude::*;

#[handler]
async fn audit(_event: &AnyEvent) {}

fn main() {}
