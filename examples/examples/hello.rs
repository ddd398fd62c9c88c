//! Hello world: an event, a handler, and a publish that is durable before it returns.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    #[key]
    user_id: Uuid,
    name: String,
    email: String,
}

#[handler(event = "user.created")]
async fn welcome(user: &UserCreated) {
    println!("Welcome {}!", user.name);
}

#[tokio::main]
async fn main() -> kairo::Result<()> {
    let kairo = Kairo::start().await?; // embedded: ./kairo.db, or the URL in KAIRO_URL
    let user = UserCreated {
        user_id: Uuid::now_v7(),
        name: "Ada".into(),
        email: "ada@example.com".into(),
    };
    kairo.publish(user).await?.handled().await?; // durable at the first await; every subscription is done at the second
    kairo.shutdown().await
}
