use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer;

#[handlers]
impl Mailer {
    #[handler]
    async fn on_user(&mut self, _user: &UserCreated) {}
}

fn main() {}
