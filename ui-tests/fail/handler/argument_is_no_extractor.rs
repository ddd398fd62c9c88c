use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer;

#[handler]
async fn on_user(_user: &UserCreated, _mailer: Mailer) {}

fn main() {}
