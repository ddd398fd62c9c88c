use kairo::prelude::*;

#[handler(pattern = "user..")]
async fn on_user(_event: &AnyEvent) {}

fn main() {}
