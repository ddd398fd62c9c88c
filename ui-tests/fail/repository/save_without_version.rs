use kairo::prelude::*;

#[repository("users")]
struct User {
    #[id]
    id: u64,
}

async fn save(users: Repository<User>, user: User) -> kairo::Result<User> {
    users.save(user).await
}

fn main() {}
