use kairo::prelude::*;

#[handler(pattern = "**bad")]
async fn on_user(_event: &AnyEvent) {}

fn main() {}
