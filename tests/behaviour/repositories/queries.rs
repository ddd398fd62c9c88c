//! Finding entities.

use futures_util::TryStreamExt;
use kairo::{
    prelude::*,
    repository::{Filter, PageCursor},
};
use kairo_tests::support::on_each_store;

use crate::{User, says, user};

/// Ada 36, Bob 25 (nick `b`), Cy 36 (nick `50%`).
async fn filled(kairo: &Kairo) -> Repository<User> {
    let users = kairo.repository::<User>();
    let nick = |nick: &str| Some(nick.to_owned());
    users.create(user(1, "Ada")).await.unwrap();
    users.create(User { age: 25, nick: nick("b"), ..user(2, "Bob") }).await.unwrap();
    users.create(User { nick: nick("50%"), ..user(3, "Cy") }).await.unwrap();
    users
}

#[tokio::test]
async fn queries_find_what_matches() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = filled(&kairo).await;
        let fields = User::fields();
        for (filter, expected) in [
            (Filter::all(), &[1, 2, 3][..]),
            (fields.email.eq("bob@example.com"), &[2]),
            (fields.id.eq(3), &[3]),
            (fields.age.ne(36), &[2]),
            (fields.age.lt(36), &[2]),
            (fields.age.le(36), &[1, 2, 3]),
            (fields.age.gt(25), &[1, 3]),
            (fields.age.ge(37), &[]),
            (fields.name.is_in(["Ada", "Cy", "Dan"]), &[1, 3]),
            (fields.name.is_in(Vec::<String>::new()), &[]),
            (fields.nick.eq("b"), &[2]),
            (fields.nick.eq(None), &[1]),
            (fields.nick.ne(None), &[2, 3]),
            (fields.nick.ne("b"), &[1, 3]),
            (fields.nick.is_null(), &[1]),
            (fields.nick.is_not_null(), &[2, 3]),
            (fields.name.like("_o%"), &[2]),
            (fields.name.starts_with("A"), &[1]),
            (fields.name.starts_with("a"), &[]),
            (fields.nick.contains("%"), &[3]),
            (fields.age.eq(36).and(fields.nick.is_null()), &[1]),
            (fields.age.eq(25).or(fields.name.eq("Cy")), &[2, 3]),
            (fields.age.eq(36).not(), &[2]),
            (!(fields.age.eq(36) & fields.nick.is_null()) | fields.id.eq(1), &[1, 2, 3]),
        ] {
            let shown = format!("{filter:?}");
            let mut found: Vec<_> =
                users.find(filter).await.unwrap().iter().map(|user| user.id).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{shown}");
        }
        assert_eq!(users.count(fields.age.eq(36)).await.unwrap(), 2);
        let first = users.find(fields.age.eq(36)).order_by(fields.name.descending()).first();
        assert_eq!(first.await.unwrap().map(|user| user.id), Some(3));
        assert_eq!(users.find(fields.id.eq(9)).first().await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_by_a_cursor_that_is_text() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = filled(&kairo).await;
        let fields = User::fields();
        let by_age = || users.all().order_by(fields.age.descending()).order_by(fields.name);
        let first = by_age().limit(2).page(None).await.unwrap();
        assert_eq!(first.items.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 3]);
        let text = first.next.unwrap().to_string();
        // What comes in front of the cursor shifts nothing.
        users.create(User { age: 99, ..user(4, "Dan") }).await.unwrap();
        let cursor: PageCursor = text.parse().unwrap();
        let second = by_age().limit(2).page(cursor.clone()).await.unwrap();
        assert_eq!(second.items.iter().map(|it| it.id).collect::<Vec<_>>(), [2]);
        assert_eq!(second.next, None);
        let error = users.all().page(cursor).await.unwrap_err().to_string();
        assert!(error.contains("it comes from a query of another order"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_stream_finds_more_than_an_await_does() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        kairo
            .transaction(async |tx| {
                for id in 0..1_001 {
                    users.create_in(tx, user(id, &format!("u{id}"))).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let expected = "query `without a limit` is not valid: more than 1000 of `users` match; give a \
                        limit, or use `page` or `stream`";
        says(users.all().await, expected);
        assert_eq!(users.all().limit(1_000).await.unwrap().len(), 1_000);
        assert_eq!(users.count(Filter::all()).await.unwrap(), 1_001);
        let all: Vec<User> = users.all().stream().try_collect().await.unwrap();
        assert_eq!(all.len(), 1_001);
        let fields = User::fields();
        let some = users.find(fields.id.lt(600)).order_by(fields.id.descending()).limit(300);
        let some: Vec<u64> =
            some.stream().map_ok(|user| user.id).try_collect().await.unwrap();
        assert!(some.into_iter().eq((300..600).rev()));
        users.delete(0).await.unwrap();
        assert_eq!(users.all().await.unwrap().len(), 1_000);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        for limit in [0, 1_001] {
            let expected = format!(
                "limit `{limit}` is not valid: use 1 to 1000; `stream` and `page` find any number"
            );
            says(users.all().limit(limit).await, &expected);
        }
        let many = (0..501).map(|id| id.to_string());
        let error = users.find(User::fields().name.is_in(many)).await.unwrap_err();
        assert!(error.to_string().contains("use at most 500"), "{error}");
    })
    .await;
}
