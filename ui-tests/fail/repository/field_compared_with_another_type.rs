use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    age: u32,
}

fn main() {
    let _ = User::fields().age.eq("old");
}
