use kairo::prelude::*;

#[handler(pattern = "**.created")]
async fn on_user(_event: &AnyEvent) {}

fn main() {}
