use kairo::prelude::*;

#[handler(pattern = "User.*")]
async fn on_user(_event: &AnyEvent) {}

fn main() {}
