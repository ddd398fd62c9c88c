use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

struct Mailer;

#[handlers]
impl Mailer {
    #[handler(name)]
    async fn first(&self, _user: &UserCreated) {}

    #[handler(unorderd)]
    fn second(self) {}

    #[handler]
    async fn third(&self, _user: &String) -> u32 {
        1
    }
}

fn main() {}
