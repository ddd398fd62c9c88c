use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    name: String,
}

fn main() {
    let _ = UserPatch::new().nmae("Ada");
}
