use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[event("user.renamed")]
struct UserRenamed {
    name: String,
}

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("User", stric)]
impl User {
    #[apply(init)]
    fn created(&mut self, _event: &UserCreated) {}

    #[apply]
    async fn renamed(&self, event: &UserRenamed, _count: u32) -> bool {
        self.nmae == event.name
    }

    #[apply]
    fn suspended(&mut self) {}
}

async fn still_an_aggregate(kairo: &Kairo) {
    let _ = kairo.aggregate::<User>(7).load().await;
}

fn main() {}
