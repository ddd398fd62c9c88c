use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler]
async fn on_user(user: &UserCreated) {
    let cell = std::rc::Rc::new(1);
    std::future::ready(()).await;
    let _ = (cell, user);
}

fn main() {}
