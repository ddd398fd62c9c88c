//! Users in a repository: every change is kept together with the event that tells of it, and closures
//! follow these events durably.
//!
//! Everything lies in `./users.db`.

mod services;
mod user;

use kairo::prelude::*;

use self::{
    services::{Bell, Services},
    user::{Status, User, UserPatch, user},
};

#[tokio::main]
async fn main() -> kairo::Result<()> {
    let kairo = Kairo::builder().store("sqlite://users.db").start().await?;
    let users = kairo.repository::<User>();
    let (services, mut bell) = Services::new();
    changes_are_followed(&users, &services).await?;
    a_user_comes_and_goes(&users, &mut bell).await?;
    what_is_wrong_is_refused(&users, &mut bell).await?;
    users_are_found(&users).await?;
    several_change_together(&kairo, &users).await?;
    kairo.shutdown().await
}

/// Each of these is a durable subscription: what happens while the process is away comes later.
async fn changes_are_followed(users: &Repository<User>, services: &Services) -> kairo::Result<()> {
    let all = services.clone();
    let created = move |event: Envelope<Created<User>>| {
        let services = all.clone();
        async move {
            println!("  user created: {}", event.entity.name);
            services.index_user(&event.entity);
            services.add_to_welcome_list(&event.entity.email);
            services.done();
        }
    };
    users.on_created("follow-created", created).await?;

    let all = services.clone();
    let updated = move |event: Envelope<Updated<User>>| {
        let services = all.clone();
        async move {
            println!("  user updated: {} ({})", event.id, event.changes.join(", "));
            services.index_user(&event.entity);
            services.invalidate(&format!("user:{}", event.id));
            services.done();
        }
    };
    users.on_updated("follow-updated", updated).await?;

    let all = services.clone();
    let deleted = move |event: Envelope<Deleted<User>>| {
        let services = all.clone();
        async move {
            println!("  user deleted: {}", event.id);
            services.remove_user(&event.id);
            services.delete_profile(&event.id);
            services.delete_preferences(&event.id);
            services.done();
        }
    };
    users.on_deleted("follow-deleted", deleted).await?;
    Ok(())
}

/// `users.created`, `users.updated` and `users.deleted` are published by themselves.
async fn a_user_comes_and_goes(users: &Repository<User>, bell: &mut Bell) -> kairo::Result<()> {
    println!("A user comes and goes");
    users.create(user("123", "John Doe", "john@example.com")).await?;
    bell.ring().await;
    users.update("123", UserPatch::new().status(Status::Suspended)).await?;
    bell.ring().await;
    let same = users.update("123", UserPatch::new().status(Status::Suspended)).await?;
    println!("  still {:?}, and nothing to tell of", same.status);
    users.delete("123").await?;
    bell.ring().await;
    Ok(())
}

/// Nothing of it is written, and no event tells of it.
async fn what_is_wrong_is_refused(users: &Repository<User>, bell: &mut Bell) -> kairo::Result<()> {
    println!("\nWhat is wrong is refused");
    let refused = |error: Option<kairo::Error>| {
        if let Some(error) = error {
            println!("  {error}");
        }
    };
    refused(users.create(user("7", "", "nobody")).await.err());
    users.create(user("7", "Ada", "ada@example.com")).await?;
    bell.ring().await;
    refused(users.create(user("7", "Bob", "bob@example.com")).await.err());
    refused(users.create(user("8", "Bob", "ada@example.com")).await.err());
    refused(users.update("8", UserPatch::new().name("Bob")).await.err());
    refused(users.update("7", UserPatch::new().name("Bob")).expect(4).await.err());
    Ok(())
}

async fn users_are_found(users: &Repository<User>) -> kairo::Result<()> {
    println!("\nUsers are found");
    let fields = User::fields();
    let named = users.find(fields.email.eq("ada@example.com")).first().await?;
    println!("  by e-mail: {}", named.map_or_else(|| "nobody".to_owned(), |user| user.name));
    let filter = fields.status.eq(Status::Active).and(fields.nick.is_null());
    for user in users.find(filter).order_by(fields.name.descending()).limit(20).await? {
        println!("  active and without a nick: {}", user.name);
    }
    let is_away = fields.status.is_in([Status::Inactive, Status::Suspended]);
    println!("  away: {}", users.count(is_away).await?);
    Ok(())
}

/// All of it, or nothing.
async fn several_change_together(kairo: &Kairo, users: &Repository<User>) -> kairo::Result<()> {
    println!("\nSeveral change together");
    let failed = kairo.transaction(async |tx| {
        users.update_in(tx, "7", UserPatch::new().email("countess@example.com")).await?;
        users.create_in(tx, user("8", "Bob", "ada@example.com")).await?;
        Err::<(), _>(Failure::permanent("changed my mind"))
    });
    if let Err(error) = failed.await {
        println!("  {error}");
    }
    println!("  Ada still has {}", users.get("7").await?.email);
    Ok(())
}
