use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

async fn load(kairo: &Kairo) {
    let _ = kairo.aggregate::<User>(7).load().await;
    let _event = UserCreated { name: String::new() };
}

fn main() {}
