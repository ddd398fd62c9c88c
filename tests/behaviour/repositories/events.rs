//! What tells of changes.

use kairo::prelude::*;
use kairo_tests::support::{Journal, logged, on_each_store, soon};

use crate::{User, UserChange, UserPatch, user};

#[handler(event = "users.updated", name = "repositories-updated")]
async fn note_update(event: &Updated<User>, seen: State<Journal<Vec<String>>>) {
    seen.note(event.changes.clone());
}

#[handler(pattern = "users.*", name = "repositories-change")]
async fn note_change(event: Envelope<UserChange>, seen: State<Journal<String>>) {
    let what = match event.payload() {
        UserChange::Created(created) => format!("created {}", created.entity.name),
        UserChange::Updated(updated) => format!("{} -> {}", updated.before.age, updated.entity.age),
        UserChange::Deleted(deleted) => format!("deleted {}", deleted.id),
    };
    seen.note(format!("{} {}: {what}", event.stream(), event.version()));
}

#[tokio::test]
async fn every_change_is_told_in_the_stream_of_its_entity() {
    on_each_store(|place| async move {
        let (changes, seen) = (Journal::<Vec<String>>::new(), Journal::<String>::new());
        let builder = place.linked().only(note_update).only(note_change);
        let builder = builder.state(changes.clone()).state(seen.clone());
        let kairo = builder.start().await.unwrap();
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        users.update(7, UserPatch::new().age(37).nick(Some("a".into()))).await.unwrap();
        users.delete(7).await.unwrap();
        let expected = ["users-7 1: created Ada", "users-7 2: 36 -> 37", "users-7 3: deleted 7"];
        assert_eq!(seen.at_least(3).await, expected);
        assert_eq!(changes.at_least(1).await, [["age", "nick"]]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn closures_hear_of_changes() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let (users, seen) = (kairo.repository::<User>(), Journal::new());
        let note = |what: &'static str| {
            let seen: Journal<(&str, u64)> = seen.clone();
            move |id| {
                seen.note((what, id));
                std::future::ready(())
            }
        };
        let (made, changed, gone) = (note("created"), note("updated"), note("deleted"));
        let made = move |event: Envelope<Created<User>>| made(event.id);
        let changed = move |event: Envelope<Updated<User>>| changed(event.id);
        let gone = move |event: Envelope<Deleted<User>>| gone(event.id);
        users.on_created("made", made).await.unwrap();
        users.on_updated("changed", changed).await.unwrap();
        users.on_deleted("gone", gone).await.unwrap();
        users.create(user(7, "Ada")).await.unwrap();
        users.update(7, UserPatch::new().age(37)).await.unwrap();
        users.delete(7).await.unwrap();
        let mut all = seen.at_least(3).await;
        all.sort_unstable();
        assert_eq!(all, [("created", 7), ("deleted", 7), ("updated", 7)]);
    })
    .await;
}

/// An entity under another table and other names of events.
#[repository("accounts", table = "app_accounts", prefix = "account")]
struct Account {
    #[id]
    id: String,
    cents: i64,
}

/// An entity that nothing tells of.
#[repository("drafts", emit_events = false)]
struct Draft {
    #[id]
    id: u32,
    text: String,
}

#[tokio::test]
async fn a_prefix_names_events_and_streams() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let accounts = kairo.repository::<Account>();
        accounts.create(Account { id: "a".into(), cents: 5 }).await.unwrap();
        let events = logged(&kairo, "account.created").await;
        assert_eq!(events[0].stream().as_str(), "account-a");
        assert_eq!(events[0].decode::<Created<Account>>().unwrap().entity.cents, 5);
        let wired = kairo.registry().repositories();
        let accounts = wired.iter().find(|it| it.name == "accounts").unwrap();
        assert_eq!((accounts.table, accounts.type_name), ("app_accounts", "Account"));
    })
    .await;
}

#[tokio::test]
async fn without_events_nothing_is_told() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let drafts = kairo.repository::<Draft>();
        drafts.create(Draft { id: 1, text: "a".into() }).await.unwrap();
        drafts.update(1, DraftPatch::new().text("b")).await.unwrap();
        assert_eq!(drafts.delete(1).await.unwrap().text, "b");
        assert!(logged(&kairo, "drafts.created").await.is_empty());
        assert_eq!(kairo.store().head().await.unwrap(), kairo::Position::START);
    })
    .await;
}

#[tokio::test]
async fn what_a_handler_changes_has_its_event_as_the_cause() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let (users, accounts) = (kairo.repository::<User>(), kairo.repository::<Account>());
        let open = move |event: Envelope<Created<User>>| {
            let accounts = accounts.clone();
            async move {
                let account = Account { id: event.id.to_string(), cents: 0 };
                accounts.upsert(account).await.map(drop)
            }
        };
        users.on_created("open", open).await.unwrap();
        users.create(user(7, "Ada")).await.unwrap();
        let cause = soon(async {
            loop {
                match logged(&kairo, "account.created").await.pop() {
                    Some(event) => return event.causation(),
                    None => tokio::task::yield_now().await,
                }
            }
        });
        let created = logged(&kairo, "users.created").await;
        assert_eq!(cause.await, Some(created[0].id()));
    })
    .await;
}
