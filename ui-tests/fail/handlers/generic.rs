use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer<T>(T);

#[handlers]
impl<T> Mailer<T> {
    #[handler]
    async fn on_user(&self, _user: &UserCreated) {}
}

fn main() {}
