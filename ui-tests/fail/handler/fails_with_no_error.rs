use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Refused;

#[handler]
async fn on_user(_user: &UserCreated) -> Result<(), Refused> {
    Ok(())
}

fn main() {}
