use kairo::prelude::*;

#[events]
enum UserEvent {}

fn main() {}
