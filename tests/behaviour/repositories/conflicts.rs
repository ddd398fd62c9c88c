//! Several who change one entity.

use std::sync::Arc;

use kairo::{Error, prelude::*};
use kairo_tests::support::on_each_store;
use tokio::task::JoinSet;

use crate::{User, UserPatch, says, user};

/// An entity that knows its version.
#[repository("pages")]
#[derive(PartialEq)]
struct Page {
    #[id]
    id: String,
    text: String,
    #[version]
    version: u64,
}

fn page(text: &str) -> Page {
    Page { id: "home".into(), text: text.into(), version: 0 }
}

#[tokio::test]
async fn a_change_of_another_version_than_expected_is_refused() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        users.update(7, UserPatch::new().age(37)).expect(1).await.unwrap();
        let moved = "document `7` of `users` is at version 2, expected version 1";
        says(users.update(7, UserPatch::new().age(38)).expect(1).await, moved);
        says(users.delete(7).expect(1).await, moved);
        assert_eq!(users.get(7).await.unwrap().age, 37);
        users.delete(7).expect(2).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_entity_that_knows_its_version_is_saved_at_it() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let pages = kairo.repository::<Page>();
        let created = pages.create(page("hello")).await.unwrap();
        assert_eq!((created.version, pages.get("home").await.unwrap().version), (1, 1));
        let saved = pages.save(Page { text: "hi".into(), ..created.clone() }).await.unwrap();
        assert_eq!(saved.version, 2);
        let late = pages.save(Page { text: "hey".into(), ..created }).await;
        says(late, "document `home` of `pages` is at version 2, expected version 1");
        assert_eq!(pages.get("home").await.unwrap(), Page { version: 2, ..page("hi") });
        // Its version is nothing that can be changed.
        let same = pages.update_with("home", |page| page.version = 9).await.unwrap();
        assert_eq!(same.version, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_by_closures_at_a_time_are_all_made() {
    on_each_store(|place| async move {
        let kairo = Arc::new(place.start().await);
        let users = kairo.repository::<User>();
        users.create(User { age: 0, ..user(7, "Ada") }).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let users = users.clone();
            tasks.spawn(async move {
                for _ in 0..5 {
                    users.update_with(7, |user| user.age += 1).await?;
                }
                Ok::<_, Error>(())
            });
        }
        let failed = tasks.join_all().await.into_iter().filter(Result::is_err).count();
        assert_eq!((failed, users.get(7).await.unwrap().age), (0, 20));
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_refuses_leaves_everything_as_it_is() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        let refused = users.update_with(7, |user| {
            user.age = 1;
            Err::<(), _>("too young")
        });
        says(refused.await, "User `7` stays as it is: too young");
        assert_eq!(users.get(7).await.unwrap(), user(7, "Ada"));
    })
    .await;
}

#[tokio::test]
async fn the_id_cannot_be_changed() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        let moved = users.update_with(7, |user| user.id = 8).await;
        says(moved, "id `8` is not valid: the id of User `7` cannot be changed");
    })
    .await;
}
