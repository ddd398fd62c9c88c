use kairo::prelude::*;

#[event("user.created")]
struct UserCreatedV1 {
    first_name: String,
}

#[event("user.created", version = 2, from(UserCreatedV1))]
struct UserCreated {
    name: String,
}

impl Upcast<UserCreatedV1> for UserCreated {
    fn upcast(old: UserCreatedV1) -> Self {
        Self { name: old.first_name }
    }
}

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn created_v1(&mut self, _event: &UserCreatedV1) {}

    #[apply]
    fn created(&mut self, _event: &UserCreated) {}
}

fn main() {}
