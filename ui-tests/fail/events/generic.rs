use kairo::prelude::*;

#[events]
enum UserEvent<T> {
    Created(T),
}

fn main() {}
