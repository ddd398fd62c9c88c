//! Creating, reading, updating and deleting, and bad input to each.

use kairo::Error;
use kairo_tests::support::{Place, logged, on_each_store};

use crate::{User, UserPatch, says, user};

#[tokio::test]
async fn an_entity_comes_back_as_it_was_created() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        let ada = User { nick: Some("%_\"\\".into()), ..user(7, "Ada") };
        assert_eq!(users.create(ada.clone()).await.unwrap(), ada);
        assert_eq!(users.get(7).await.unwrap(), ada);
        assert_eq!(users.lookup(&7).await.unwrap(), Some(ada));
        assert!(users.exists(7).await.unwrap() && !users.exists(8).await.unwrap());
        kairo.shutdown().await.unwrap();
        drop(kairo);
        assert!(matches!(users.get(7).await, Err(Error::Closed)));
    })
    .await;
}

#[tokio::test]
async fn documents_outlive_their_process() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    kairo.repository::<User>().create(user(7, "Ada")).await.unwrap();
    kairo.shutdown().await.unwrap();
    let kairo = place.start().await;
    assert_eq!(kairo.repository::<User>().get(7).await.unwrap(), user(7, "Ada"));
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_patch_sets_the_fields_that_it_has() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        let patch = UserPatch::new().name("Countess").nick(Some("ada".into()));
        let after = users.update(7, patch).await.unwrap();
        let expected = User { name: "Countess".into(), nick: Some("ada".into()), ..user(7, "Ada") };
        assert_eq!((&after, users.get(7).await.unwrap()), (&expected, expected.clone()));
        let after = users.update(7, UserPatch::new().nick(None)).await.unwrap();
        assert_eq!(after.nick, None);
        assert_eq!(users.stored(7).await.unwrap().version, 3);
    })
    .await;
}

#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        assert_eq!(users.update(7, UserPatch::new()).await.unwrap(), user(7, "Ada"));
        assert_eq!(users.update(7, UserPatch::new().age(36)).await.unwrap().age, 36);
        assert_eq!(users.upsert(user(7, "Ada")).await.unwrap(), user(7, "Ada"));
        assert_eq!(users.stored(7).await.unwrap().version, 1);
        assert!(logged(&kairo, "users.updated").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_upsert_creates_or_replaces() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.upsert(user(7, "Ada")).await.unwrap();
        let older = User { age: 37, ..user(7, "Ada") };
        assert_eq!(users.upsert(older.clone()).await.unwrap(), older);
        assert_eq!(users.get(7).await.unwrap(), older);
        let count = async |name| logged(&kairo, name).await.len();
        assert_eq!((count("users.created").await, count("users.updated").await), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_entity_is_gone_and_its_values_are_free() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        assert_eq!(users.delete(7).await.unwrap(), user(7, "Ada"));
        assert!(!users.exists(7).await.unwrap());
        users.create(user(8, "Ada")).await.unwrap();
        users.create(User { email: "new@example.com".into(), ..user(7, "Ada") }).await.unwrap();
        assert_eq!(users.stored(7).await.unwrap().version, 1);
    })
    .await;
}

#[tokio::test]
async fn an_invalid_entity_is_refused_with_its_fields_and_rules() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        let wrong = User { name: String::new(), email: "ada".into(), ..user(7, "Ada") };
        let error = users.create(wrong).await.unwrap_err().to_string();
        assert!(error.starts_with("User `7` is not valid: "), "{error}");
        assert!(error.contains("name: length is lower than 1"), "{error}");
        assert!(error.contains("email: not a valid email"), "{error}");
        assert!(!users.exists(7).await.unwrap());

        users.create(user(7, "Ada")).await.unwrap();
        let error = users.update(7, UserPatch::new().email("ada")).await.unwrap_err();
        assert!(error.to_string().contains("email: not a valid email"), "{error}");
        assert_eq!(users.get(7).await.unwrap(), user(7, "Ada"));
        assert!(logged(&kairo, "users.updated").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_id_is_taken_once() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        let again = users.create(user(7, "Bob")).await;
        says(again, "`users` has a document `7` already");
        assert_eq!(logged(&kairo, "users.created").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_unique_value_is_taken_once() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        users.create(user(8, "Bob")).await.unwrap();
        let taken = "`email` of `users` is unique, and `ada@example.com` is taken";
        says(users.create(User { id: 9, ..user(7, "Ada") }).await, taken);
        says(users.update(8, UserPatch::new().email("ada@example.com")).await, taken);
        assert_eq!(users.get(8).await.unwrap(), user(8, "Bob"));
    })
    .await;
}

#[tokio::test]
async fn an_unknown_id_is_named() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        let unknown = "there is no User `7`";
        says(users.get(7).await, unknown);
        says(users.update(7, UserPatch::new().age(1)).await, unknown);
        says(users.update_with(7, |user| user.age += 1).await, unknown);
        says(users.delete(7).await, unknown);
        assert_eq!(users.lookup(7).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_entity_and_its_event_have_a_largest_size() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        let with = |bytes| User { nick: Some("x".repeat(bytes)), ..user(7, "Ada") };
        let error = users.create(with(1 << 20)).await.unwrap_err().to_string();
        assert!(error.starts_with("User `7` is not valid: it has 1048"), "{error}");
        assert!(error.ends_with("use at most 1048576"), "{error}");
        // It fits by itself; before and after together do not.
        users.create(with(600_000)).await.unwrap();
        let error = users.update(7, UserPatch::new().age(37)).await.unwrap_err();
        let is_it =
            matches!(&error, Error::PayloadTooLarge { event, .. } if event == "users.updated");
        assert!(is_it, "{error}");
        assert_eq!(users.get(7).await.unwrap().age, 36);
    })
    .await;
}
