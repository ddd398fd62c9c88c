use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[handler(evnt = "user.created", pattern = "user..", timeout = "soon", concurrency = 0)]
fn on_user<T>(_user: &UserCreated) -> impl Event {
    UserCreated { user_id: 1 }
}

// The body of a handler with a mistake is still checked.
#[handler(ev)]
async fn broken(user: &UserCreated) {
    let _ = user.user_di;
}

fn main() {}
