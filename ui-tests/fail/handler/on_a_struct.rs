use kairo::prelude::*;

#[handler]
struct Mailer;

fn main() {}
