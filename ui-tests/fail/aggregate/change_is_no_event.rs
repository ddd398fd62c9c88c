use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

async fn change(kairo: &Kairo) {
    let _ = kairo.aggregate::<User>(7).change(|_| 1).await;
}

fn main() {}
