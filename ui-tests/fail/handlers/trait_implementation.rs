use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer;

trait Mails {
    async fn on_user(&self, user: &UserCreated);
}

#[handlers]
impl Mails for Mailer {
    #[handler]
    async fn on_user(&self, _user: &UserCreated) {}
}

fn main() {}
