use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
    #[index]
    #[serde(rename = "first-name")]
    name: String,
}

fn main() {}
