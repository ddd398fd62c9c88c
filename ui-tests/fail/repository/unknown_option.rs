use kairo::prelude::*;

#[repository("users", tabel = "people")]
struct User {
    #[id]
    id: u64,
}

fn main() {}
