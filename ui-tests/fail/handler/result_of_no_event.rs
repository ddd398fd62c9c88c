use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler]
async fn on_user(_user: &UserCreated) -> Result<u32, Failure> {
    Ok(1)
}

fn main() {}
