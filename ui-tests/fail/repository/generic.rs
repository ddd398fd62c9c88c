use kairo::prelude::*;

#[repository("users")]
struct User<T> {
    #[id]
    id: T,
}

fn main() {}
