//! The laws of transactions that the caller's own queries can join. What concerns the queries is for
//! the tests of each store, since a law does not know its driver.

use serde_json::json;

use super::{
    case::{Case, ids},
    collection::{json_of, of, of_documents},
};
use crate::{
    documents::{Change, Collection},
    error::{Error, Result},
    store::{Append, Transaction, Unit, Version},
};

/// Begins a transaction; `None` in a store that has none, and says so.
async fn begin(case: &Case) -> Result<Option<Box<dyn Transaction>>> {
    if case.store.features().transactions {
        return case.store.begin().await.map(Some);
    }
    let refused = case.store.begin().await.map(drop);
    assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    Ok(None)
}

/// A unit of one event of a stream that is as expected.
fn append(case: &Case, stream: &str, expected: Version) -> Unit {
    let append = Append { expected, ..Append::one(case.event(stream)) };
    Unit::of_appends(vec![append])
}

/// A unit that makes a document.
fn insert(case: &Case, collection: &'static Collection, id: &str) -> Unit {
    of_documents(vec![of(collection, id, Change::Insert(case.body(&json!({ "id": id }))))])
}

/// What its units have done takes effect with its commit, in their order, and wakes the watchers.
pub async fn a_transaction_is_all_or_nothing(case: Case) -> Result {
    let users = case.made("users", &[]).await?;
    let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
    let mut watch = case.store.watch();
    watch.mark_unchanged();
    transaction.write(append(&case, "one", Version::NoStream)).await?;
    transaction.write(insert(&case, users, "u1")).await?;
    let last = transaction.commit(append(&case, "one", Version::At(1))).await?;
    assert_eq!((last.placed.len(), last.placed[0].version), (1, 2));
    assert!(case.has(users, "u1").await?);
    let events = case.events_named("happened", 100).await?;
    assert_eq!(ids(&events), ids(&case.events_of("one").await?));
    assert_eq!((events.len(), events[1].event.id), (2, last.placed[0].id));
    tokio::time::timeout(super::case::PATIENCE, watch.changed())
        .await
        .expect("a commit wakes the watchers")
        .expect("the store is open");

    let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
    transaction.write(append(&case, "one", Version::At(2))).await?;
    transaction.write(insert(&case, users, "u2")).await?;
    transaction.rollback().await?;
    assert!(!case.has(users, "u2").await?);
    assert_eq!(case.append_at("one", Version::At(2)).await?.version, 3);
    Ok(())
}

/// By anybody else, until it commits.
pub async fn nothing_of_an_open_transaction_is_seen(case: Case) -> Result {
    let users = case.made("users", &[]).await?;
    case.append_at("one", Version::NoStream).await?;
    let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
    transaction.write(append(&case, "one", Version::At(1))).await?;
    transaction.write(insert(&case, users, "u1")).await?;
    assert_eq!(case.version_of("one").await?, 1);
    // A transaction of somebody else may keep readers from the end of the log.
    assert!(case.events_named("happened", 100).await?.len() <= 1);
    assert!(!case.has(users, "u1").await?);
    transaction.commit(Unit::default()).await?;
    assert!(case.has(users, "u1").await?);
    let both = async {
        while case.events_named("happened", 100).await?.len() < 2 {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    tokio::time::timeout(super::case::PATIENCE, both).await.expect("both events come in")
}

/// Versions, derived ids and documents.
pub async fn a_transaction_sees_what_it_has_written(case: Case) -> Result {
    let users = case.made("users", &[]).await?;
    let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
    assert!(transaction.document(users, "u1").await?.is_none());
    transaction.write(insert(&case, users, "u1")).await?;
    let made = transaction.document(users, "u1").await?.expect("it has been made");
    assert_eq!((made.version, json_of(&made)), (1, json!({ "id": "u1" })));
    let replace = Change::Replace(made.seen(), case.body(&json!({ "id": 1 })));
    transaction.write(of_documents(vec![of(users, "u1", replace)])).await?;
    let derived = Unit::of_appends(vec![Append::one(case.derived("one"))]);
    let first = transaction.write(derived.clone()).await?;
    transaction.write(append(&case, "one", Version::At(1))).await?;
    let second = transaction.write(derived).await?;
    let duplicates = [first, second].map(|committed| committed.placed[0].duplicate);
    assert_eq!(duplicates, [false, true]);
    transaction.commit(append(&case, "one", Version::At(2))).await?;
    assert_eq!((case.version_of("one").await?, case.seen(users, "u1").await?.version), (3, 2));
    Ok(())
}

/// And the store goes on.
pub async fn a_dropped_transaction_leaves_nothing(case: Case) -> Result {
    let users = case.made("users", &[]).await?;
    let Some(unused) = begin(&case).await? else { return Ok(()) };
    drop(unused);
    let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
    transaction.write(append(&case, "one", Version::NoStream)).await?;
    transaction.write(insert(&case, users, "u1")).await?;
    drop(transaction);
    assert_eq!(case.append_at("one", Version::NoStream).await?.version, 1);
    assert!(!case.has(users, "u1").await?);
    case.insert(users, "u1", &json!({})).await
}

/// After an error it can only be rolled back.
pub async fn a_refused_unit_ends_nothing_but_its_transaction(case: Case) -> Result {
    let users = case.made("users", &[]).await?;
    case.insert(users, "u1", &json!({})).await?;
    for unit in [append(&case, "one", Version::At(9)), insert(&case, users, "u1")] {
        let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
        transaction.write(append(&case, "one", Version::NoStream)).await?;
        let refused = transaction.write(unit.clone()).await;
        let is_own = matches!(
            refused,
            Err(Error::Conflict { actual: 1, .. } | Error::DocumentExists { .. })
        );
        assert!(is_own, "{refused:?}");
        assert!(transaction.write(append(&case, "two", Version::Any)).await.is_err());
        transaction.rollback().await?;

        let Some(mut transaction) = begin(&case).await? else { return Ok(()) };
        transaction.write(append(&case, "one", Version::NoStream)).await?;
        let refused = transaction.commit(unit).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!((case.version_of("one").await?, case.version_of("two").await?), (0, 0));
    }
    case.append_at("one", Version::NoStream).await.map(drop)
}
