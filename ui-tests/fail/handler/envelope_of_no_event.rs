use kairo::prelude::*;

#[handler]
async fn on_user(_user: Envelope<String>) {}

fn main() {}
