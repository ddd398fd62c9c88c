use kairo::prelude::*;

#[events]
enum UserEvent {
    Created(String),
}

fn main() {}
