//! Event sourcing: users who are made of events, the store that is asked for these, and the past.
//!
//! Everything goes through the log in `./sourcing.db`.

mod user;

use futures_util::TryStreamExt;
use kairo::{clock::Timestamp, prelude::*};

use self::user::{User, UserCreated, UserEvent};

#[tokio::main]
async fn main() -> kairo::Result<()> {
    let kairo = Kairo::builder().store("sqlite://sourcing.db").start().await?;
    let began = kairo::clock::Clock::system().now();
    a_user_lives(&kairo).await?;
    the_store_is_asked(&kairo, began).await?;
    the_state_is_rebuilt(&kairo).await?;
    the_events_are_replayed(&kairo).await?;
    the_past_is_looked_at(&kairo).await?;
    two_decide_at_once(&kairo).await?;
    a_long_life_is_kept(&kairo).await?;
    kairo.shutdown().await
}

/// All that is published is in the store; a change publishes what its decision returns.
async fn a_user_lives(kairo: &Kairo) -> kairo::Result<()> {
    println!("A user lives");
    let created = UserCreated { user_id: 123, name: "Ada".into(), email: "ada@b.org".into() };
    kairo.publish(created).await?;
    let user = kairo.aggregate::<User>(123);
    let renamed = user.change(|user| user.rename("Ada Lovelace")).await?;
    println!("  renamed to {} at version {}", renamed.name, renamed.version());
    let again = user.change(|user| user.rename("Ada Lovelace")).await?;
    println!("  renamed again: {} events", again.published().map_or(0, |it| it.ids().len()));
    for _ in 0..2 {
        match user.change(|user| user.suspend("fraud")).await? {
            Ok(user) => println!("  suspended at version {}", user.version()),
            Err(refusal) => println!("  not suspended: {refusal}"),
        }
    }
    Ok(())
}

/// Events of one stream, of one type, of a stretch of time. Each of these reads is a stream that
/// holds one page at a time.
async fn the_store_is_asked(kairo: &Kairo, began: Timestamp) -> kairo::Result<()> {
    println!("\nThe store is asked");
    let store = kairo.store();
    let mut events = store.stream("user-123");
    while let Some(event) = events.try_next().await? {
        println!("  user-123 {} {}", event.version(), event.name());
    }
    let suspended: Vec<_> = store.by_type("user.suspended").try_collect().await?;
    let users: Vec<_> = store.by_type("user.*").try_collect().await?;
    let recent: Vec<_> = store.between(began, Timestamp::MAX).try_collect().await?;
    let before: Vec<_> = store.between(Timestamp::UNIX_EPOCH, began).try_collect().await?;
    println!("  {} user.suspended, {} user.*", suspended.len(), users.len());
    println!("  {} since the start, {} before it", recent.len(), before.len());
    Ok(())
}

/// The aggregate does it, and so does anybody who folds the stream.
async fn the_state_is_rebuilt(kairo: &Kairo) -> kairo::Result<()> {
    println!("\nThe state is rebuilt");
    let user = kairo.aggregate::<User>(123).load().await?;
    println!("  user {} is {:?} (version {})", user.name, user.status, user.version());
    let story = |story: &mut Vec<String>, event: &AnyEvent| {
        story.push(match UserEvent::decode_set(event)? {
            UserEvent::Created(created) => format!("{} came", created.name),
            UserEvent::Updated(updated) => format!("is {} now", updated.name.unwrap_or_default()),
            UserEvent::Suspended(suspended) => format!("left for {}", suspended.reason),
        });
        Ok(())
    };
    let story = kairo.store().project(["user-123"], Vec::new(), story).await?;
    println!("  by hand: {}", story.join(", "));
    Ok(())
}

/// Every event once more, for a look at what has happened or to move it elsewhere.
async fn the_events_are_replayed(kairo: &Kairo) -> kairo::Result<()> {
    println!("\nThe events are replayed");
    let replay = async |event: AnyEvent| {
        println!("  {} {}", event.name(), event.json()?);
        Ok::<_, kairo::Error>(())
    };
    let count = kairo.store().replay("user-123", replay).await?;
    println!("  {count} events");
    Ok(())
}

/// As it was at a version, and at a time.
async fn the_past_is_looked_at(kairo: &Kairo) -> kairo::Result<()> {
    println!("\nThe past is looked at");
    let user = kairo.aggregate::<User>(123);
    let first = user.clone().at_version(1).load().await?;
    println!("  at version {}: {}, {:?}", first.version(), first.name, first.status);
    let long_ago = user.at_time(Timestamp::UNIX_EPOCH).find().await?;
    println!("  in 1970: {}", if long_ago.is_some() { "there" } else { "not there" });
    Ok(())
}

/// Whoever comes second decides again, on what the first one has done.
async fn two_decide_at_once(kairo: &Kairo) -> kairo::Result<()> {
    println!("\nTwo decide at once");
    let user = kairo.aggregate::<User>(7);
    let created = UserCreated { user_id: 7, name: "Bob".into(), email: "bob@b.org".into() };
    user.create(created).await?;
    let longer = |user: &User| user.rename(&format!("{}by", user.name));
    let (one, other) = tokio::join!(user.change(longer), user.change(longer));
    println!("  versions {:?}", {
        let mut versions = [one?.version(), other?.version()];
        versions.sort_unstable();
        versions
    });
    println!("  the name is {}", user.load().await?.name);
    Ok(())
}

/// A snapshot is taken now and then, so that nobody reads all of it again.
async fn a_long_life_is_kept(kairo: &Kairo) -> kairo::Result<()> {
    println!("\nA long life is kept");
    let user = kairo.aggregate::<User>(7);
    for number in 0..248 {
        user.change(|user| user.rename(&format!("Bob the {number}th"))).await?;
    }
    let loaded = user.load().await?;
    println!("  {} at version {}", loaded.name, loaded.version());
    let snapshot = kairo.store().snapshot("user-7", "user").await?;
    println!("  kept at version {}", snapshot.map_or(0, |snapshot| snapshot.version));
    Ok(())
}
