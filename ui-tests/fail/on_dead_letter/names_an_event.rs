use kairo::prelude::*;

#[on_dead_letter(event = "user.created")]
async fn alert(_letter: &kairo::delivery::DeadLetter) {}

fn main() {}
