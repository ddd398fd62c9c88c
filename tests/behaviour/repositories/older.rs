//! Documents that were written by an older shape of their struct.

use std::sync::Arc;

use kairo::{
    Error, backend,
    clock::Clock,
    documents::{Body, Change, Collection, DocumentChange},
    prelude::*,
    repository::Entity,
    store::Unit,
};

use crate::says;

/// The newest shape.
#[repository("people", version = 3, from(PersonV2, PersonV1))]
#[derive(PartialEq)]
struct Person {
    #[id]
    id: u32,
    first: String,
    last: String,
    /// Added later, without a new version.
    #[serde(default)]
    cents: i64,
}

#[data]
struct PersonV2 {
    id: u32,
    full: String,
}

#[data]
struct PersonV1 {
    id: u32,
    title: String,
}

impl From<PersonV1> for PersonV2 {
    fn from(old: PersonV1) -> Self {
        Self { id: old.id, full: format!("{} Lovelace", old.title) }
    }
}

impl From<PersonV2> for Person {
    fn from(old: PersonV2) -> Self {
        let (first, last) = old.full.split_once(' ').unwrap_or((&old.full, ""));
        Self { id: old.id, first: first.into(), last: last.into(), cents: 0 }
    }
}

/// A bus on whose store somebody else has written this document.
async fn with(schema: u32, json: &str) -> Kairo {
    let store = backend::open("memory:", &Clock::system()).await.unwrap();
    let collection: &'static Collection = Person::COLLECTION;
    store.make_collection(collection).await.unwrap();
    let body = Body { schema, time: Clock::system().now(), json: json.to_owned().into() };
    let change = DocumentChange { collection, id: "7".into(), change: Change::Insert(body) };
    store.commit(Unit { documents: vec![change], ..Unit::default() }).await.unwrap();
    Kairo::builder().backend(Arc::clone(&store)).without_handlers().start().await.unwrap()
}

fn ada() -> Person {
    Person { id: 7, first: "Ada".into(), last: "Lovelace".into(), cents: 0 }
}

#[tokio::test]
async fn older_documents_are_read_and_rewritten_when_they_change() {
    for (schema, json) in [
        (1, r#"{"id":7,"title":"Ada"}"#),
        (2, r#"{"id":7,"full":"Ada Lovelace"}"#),
        (3, r#"{"id":7,"first":"Ada","last":"Lovelace"}"#),
    ] {
        let kairo = with(schema, json).await;
        let people = kairo.repository::<Person>();
        assert_eq!(people.get(7).await.unwrap(), ada());
        people.update(7, PersonPatch::new().first("Ada")).await.unwrap();
        assert_eq!(people.stored(7).await.unwrap().version, 1);
        people.update(7, PersonPatch::new().cents(5)).await.unwrap();
        let found = people.find(Person::fields().last.eq("Lovelace")).await.unwrap();
        assert_eq!(found, [Person { cents: 5, ..ada() }]);
    }
}

#[tokio::test]
async fn a_document_of_a_newer_shape_is_a_clear_error() {
    let kairo = with(4, r#"{"id":7}"#).await;
    let people = kairo.repository::<Person>();
    let newer = "document `7` of `people` cannot be read: its shape has version 4, but this binary \
                 knows versions up to 3";
    says(people.get(7).await, newer);
    says(people.all().await, newer);
    says(people.update(7, PersonPatch::new().cents(1)).await, newer);
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_named_with_its_field() {
    for (json, expected) in [
        (r#"{"id":7,"first":"Ada"}"#, "cannot be read: missing field `last`"),
        (
            r#"{"id":7,"first":"Ada","last":8}"#,
            "cannot be read at its field `last`: invalid type: integer `8`, expected a string",
        ),
    ] {
        let kairo = with(3, json).await;
        let error = kairo.repository::<Person>().get(7).await.unwrap_err();
        assert!(matches!(error, Error::UnreadableDocument { .. }), "{error}");
        let expected = format!("document `7` of `people` {expected}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
