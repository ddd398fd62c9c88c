use kairo::prelude::*;

#[repository("Users", tabel = "people", table = "1", version = 0)]
struct User {
    id: u64,
    #[uniqe]
    name: String,
    #[index]
    tags: Vec<String>,
    #[version]
    version: i64,
}

fn main() {}
