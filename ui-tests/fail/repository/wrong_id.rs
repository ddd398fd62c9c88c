use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
}

async fn get(users: Repository<User>) -> kairo::Result<User> {
    users.get("ada").await
}

fn main() {}
