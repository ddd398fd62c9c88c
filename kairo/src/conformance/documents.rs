//! The laws of documents: how they are made, change and go.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    case::{Case, assert_same, later},
    collection::{assert_moved, assert_taken, body_at, json_of, of, of_documents, unique},
};
use crate::{
    documents::{Body, Change, Collection, Document, DocumentChange},
    error::{Error, Result},
    store::{Append, Unit, Version},
};

/// How many try at a time to be the one.
const RIVALS: usize = 8;

/// Whether a document is the one that is expected, whatever the order of its keys.
#[track_caller]
fn assert_is(document: &Document, expected: &Document) {
    assert_eq!(json_of(document), json_of(expected));
    let body = Body { json: expected.body.json.clone(), ..document.body.clone() };
    assert_same(&Document { body, ..document.clone() }, expected);
}

fn full() -> Value {
    json!({
        "text": "Ada \u{1f980}'\"\\\n", "": [], "whole": i64::MIN, "half": -0.5, "yes": true,
        "none": null, "list": [1, "a", [null, {}]], "object": { "b": { "a": 1 } },
    })
}

/// In every field, also after a change; one that is not there is `None`.
pub async fn a_document_comes_back_as_it_was(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    let body = Body { schema: 7, ..case.body(&full()) };
    case.change_documents(vec![of(collection, "u 1'\"%", Change::Insert(body.clone()))]).await?;
    let made = Document::new("u 1'\"%".to_owned(), body);
    assert_is(&case.the_document(collection, &made.id).await?, &made);
    let body = Body { schema: 8, ..body_at(later(made.created, 7), &json!({ "text": "Grace" })) };
    let replace = Change::Replace(made.seen(), body.clone());
    case.change_documents(vec![of(collection, &made.id, replace)]).await?;
    let changed = Document { version: 2, body, ..made };
    assert_is(&case.the_document(collection, &changed.id).await?, &changed);
    assert!(!case.has(collection, "u 1").await?);
    Ok(())
}

/// Whatever is in it.
pub async fn an_id_is_taken_once(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    case.insert(collection, "u1", &json!({ "name": "Ada" })).await?;
    let taken = case.insert(collection, "u1", &json!({ "name": "Grace" })).await;
    let Err(Error::DocumentExists { id, .. }) = &taken else { panic!("{taken:?}") };
    assert_eq!(id, "u1");
    let document = case.the_document(collection, "u1").await?;
    assert_eq!((document.version, json_of(&document)), (1, json!({ "name": "Ada" })));
    Ok(())
}

/// A replacement or a removal of anything else is refused, and says what is there.
pub async fn a_change_shows_what_it_has_seen(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    case.insert(collection, "u1", &json!({ "n": 1 })).await?;
    let first = case.the_document(collection, "u1").await?;
    case.replace(collection, "u1", &json!({ "n": 2 })).await?;
    let second = case.the_document(collection, "u1").await?;
    assert_eq!((second.version, second.created), (2, first.created));

    let change = |seen| Change::Replace(seen, case.body(&json!({ "n": 3 })));
    let late = case.change_documents(vec![of(collection, "u1", change(first.seen()))]).await;
    assert_moved(&late, "u1", 1, Some(2));
    let late = case.change_documents(vec![of(collection, "u1", Change::Remove(first.seen()))]);
    assert_moved(&late.await, "u1", 1, Some(2));
    assert_is(&case.the_document(collection, "u1").await?, &second);

    case.change_documents(vec![of(collection, "u1", Change::Remove(second.seen()))]).await?;
    assert!(!case.has(collection, "u1").await?);
    for change in [change(second.seen()), Change::Remove(second.seen())] {
        assert_moved(
            &case.change_documents(vec![of(collection, "u1", change)]).await,
            "u1",
            2,
            None,
        );
    }
    assert!(!case.has(collection, "u1").await?);
    Ok(())
}

/// The others have appended nothing.
pub async fn one_of_many_replaces_a_version(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    case.insert(collection, "u1", &json!({ "by": "nobody" })).await?;
    let seen = case.seen(collection, "u1").await?;
    let mut writing = JoinSet::new();
    for number in 0..RIVALS {
        let case = case.clone();
        let change = Change::Replace(seen, case.body(&json!({ "by": number })));
        let appends = vec![Append::one(case.event("one"))];
        let unit = Unit { appends, ..of_documents(vec![of(collection, "u1", change)]) };
        writing.spawn(async move { (number, case.store.commit(unit).await.map(drop)) });
    }
    let written = writing.join_all().await;
    let won: Vec<_> = written.iter().filter(|(_, written)| written.is_ok()).collect();
    assert_eq!(won.len(), 1, "{written:?}");
    for (_, lost) in written.iter().filter(|(_, written)| written.is_err()) {
        assert_moved(lost, "u1", 1, Some(2));
    }
    let document = case.the_document(collection, "u1").await?;
    assert_eq!((document.version, json_of(&document)), (2, json!({ "by": won[0].0 })));
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// What was seen of the first does not fit the second, though both begin at version 1.
pub async fn a_document_that_is_made_again_is_another(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    case.insert(collection, "u1", &json!({ "life": 1 })).await?;
    let first = case.the_document(collection, "u1").await?;
    case.change_documents(vec![of(collection, "u1", Change::Remove(first.seen()))]).await?;
    let body = body_at(later(first.created, 1), &json!({ "life": 2 }));
    case.change_documents(vec![of(collection, "u1", Change::Insert(body))]).await?;
    let second = case.the_document(collection, "u1").await?;
    assert_eq!(second.version, 1);
    let seen = first.seen();
    for change in [Change::Replace(seen, first.body), Change::Remove(seen)] {
        let late = case.change_documents(vec![of(collection, "u1", change)]).await;
        assert_moved(&late, "u1", 1, Some(1));
    }
    assert_is(&case.the_document(collection, "u1").await?, &second);
    Ok(())
}

/// Whether the events or one of the documents are in the way.
pub async fn documents_and_events_take_effect_together(case: Case) -> Result {
    let collection = case.made("users", &[]).await?;
    let insert = |id| of(collection, id, Change::Insert(case.body(&json!({}))));
    let refused = Append { expected: Version::At(9), ..Append::one(case.event("one")) };
    let unit = Unit { appends: vec![refused], ..of_documents(vec![insert("u1")]) };
    let conflict = case.store.commit(unit).await;
    assert!(matches!(conflict, Err(Error::Conflict { .. })), "{conflict:?}");
    assert!(!case.has(collection, "u1").await?);

    let appends = || vec![Append::one(case.event("one"))];
    let both = of_documents(vec![insert("u1"), insert("u2")]);
    let committed = case.store.commit(Unit { appends: appends(), ..both.clone() }).await?;
    assert_eq!(committed.placed.len(), 1);
    assert!(case.has(collection, "u1").await? && case.has(collection, "u2").await?);

    let again = of_documents(vec![insert("u3"), insert("u2")]);
    let taken = case.store.commit(Unit { appends: appends(), ..again }).await;
    assert!(matches!(&taken, Err(Error::DocumentExists { id, .. }) if id == "u2"), "{taken:?}");
    assert!(!case.has(collection, "u3").await?);
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// Of each collection.
pub async fn a_unit_changes_a_document_once(case: Case) -> Result {
    let (users, orders) = (case.made("users", &[]).await?, case.made("orders", &[]).await?);
    let insert = |collection| of(collection, "1", Change::Insert(case.body(&json!({}))));
    let twice = case.change_documents(vec![insert(users), insert(users)]).await;
    assert!(matches!(twice, Err(Error::Misuse(_))), "{twice:?}");
    assert!(!case.has(users, "1").await?);
    case.change_documents(vec![insert(users), insert(orders)]).await?;
    assert!(case.has(users, "1").await? && case.has(orders, "1").await?);
    Ok(())
}

fn user(email: &Value, age: u32) -> Value {
    json!({ "email": email, "age": age })
}

fn ada(age: u32) -> Value {
    user(&json!("ada@example.org"), age)
}

/// By one document of the collection, and by nobody again before that one lets go of it.
pub async fn a_unique_value_is_taken_once(case: Case) -> Result {
    let users = case.made("users", &[unique("email")]).await?;
    let others = case.made("others", &[unique("email")]).await?;
    case.insert(users, "u1", &ada(1)).await?;
    assert_taken(&case.insert(users, "u2", &ada(2)).await, "email");
    case.insert(others, "u2", &ada(2)).await?;
    case.replace(users, "u1", &ada(3)).await?;
    for (id, email) in [("u3", json!(null)), ("u4", json!(null)), ("u5", json!("ADA@example.org"))]
    {
        case.insert(users, id, &user(&email, 4)).await?;
    }
    case.insert(users, "u6", &json!({})).await?;
    assert_taken(&case.replace(users, "u3", &ada(5)).await, "email");
    let insert = |id| of(users, id, Change::Insert(case.body(&user(&json!("both"), 1))));
    assert_taken(&case.change_documents(vec![insert("u7"), insert("u8")]).await, "email");
    assert!(!case.has(users, "u7").await? && !case.has(users, "u2").await?);

    case.replace(users, "u1", &user(&json!("grace@example.org"), 6)).await?;
    case.replace(users, "u3", &ada(7)).await?;
    let seen = case.seen(users, "u3").await?;
    case.change_documents(vec![of(users, "u3", Change::Remove(seen))]).await?;
    case.insert(users, "u2", &ada(8)).await
}

/// A change of a document to one with another value.
async fn become_of(
    case: &Case,
    users: &'static Collection,
    id: &str,
    email: &str,
) -> Result<DocumentChange> {
    let body = case.body(&user(&json!(email), 9));
    Ok(of(users, id, Change::Replace(case.seen(users, id).await?, body)))
}

/// The values of the first two documents.
async fn emails(case: &Case, users: &'static Collection) -> Result<[Value; 2]> {
    let (one, two) = (case.the_document(users, "u1").await?, case.the_document(users, "u2").await?);
    Ok([&one, &two].map(|document| json_of(document)["email"].clone()))
}

/// What one document lets go of, another can take, in whatever order they are listed.
pub async fn unique_values_can_move_in_one_unit(case: Case) -> Result {
    let users = case.made("users", &[unique("email")]).await?;
    case.insert(users, "u1", &user(&json!("one"), 1)).await?;
    case.insert(users, "u2", &user(&json!("two"), 2)).await?;
    let swap = vec![
        become_of(&case, users, "u1", "two").await?,
        become_of(&case, users, "u2", "one").await?,
    ];
    case.change_documents(swap).await?;
    assert_eq!(emails(&case, users).await?, ["two", "one"]);

    let circle = vec![
        of(users, "u3", Change::Insert(case.body(&user(&json!("two"), 3)))),
        become_of(&case, users, "u1", "one").await?,
        become_of(&case, users, "u2", "three").await?,
    ];
    case.change_documents(circle).await?;
    assert_eq!(emails(&case, users).await?, ["one", "three"]);
    let insert = of(users, "u4", Change::Insert(case.body(&user(&json!("one"), 4))));
    let remove = of(users, "u1", Change::Remove(case.seen(users, "u1").await?));
    case.change_documents(vec![insert, remove]).await?;
    assert!(case.has(users, "u4").await? && !case.has(users, "u1").await?);
    assert_taken(&case.insert(users, "u5", &user(&json!("two"), 5)).await, "email");
    Ok(())
}
