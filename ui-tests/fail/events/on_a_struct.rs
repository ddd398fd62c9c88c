use kairo::prelude::*;

#[events]
struct UserEvent;

fn main() {}
