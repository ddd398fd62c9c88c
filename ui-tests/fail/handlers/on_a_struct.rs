use kairo::prelude::*;

#[handlers]
struct Mailer;

fn main() {}
