use kairo::prelude::*;

#[handler]
async fn on_user(_user: String) {}

fn main() {}
