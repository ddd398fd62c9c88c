//! What the laws of documents work with: collections, documents, and how they change.

use serde_json::Value;

use super::case::Case;
use crate::{
    clock::Timestamp,
    documents::{Body, Change, Collection, Document, DocumentChange, Index, Seen},
    error::{Error, Result},
    store::Unit,
};

impl Case {
    /// A collection of this run, which must be made first. It is there for as long as the process,
    /// as those of an application are.
    pub(super) fn collection(&self, name: &str, indexes: &[Index]) -> &'static Collection {
        let fit = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        let table: String = self.subscription(name).to_lowercase().chars().map(fit).collect();
        Box::leak(Box::new(Collection {
            name: String::leak(name.to_owned()),
            table: String::leak(table),
            indexes: Vec::leak(indexes.to_vec()),
        }))
    }

    /// A collection that has been made.
    pub(super) async fn made(&self, name: &str, indexes: &[Index]) -> Result<&'static Collection> {
        let collection = self.collection(name, indexes);
        self.store.make_collection(collection).await?;
        Ok(collection)
    }

    /// What is in a document from now on.
    pub(super) fn body(&self, json: &Value) -> Body {
        body_at(self.now(), json)
    }

    /// Makes a document.
    pub(super) async fn insert(
        &self,
        collection: &'static Collection,
        id: &str,
        json: &Value,
    ) -> Result {
        let insert = Change::Insert(self.body(json));
        self.change_documents(vec![of(collection, id, insert)]).await
    }

    /// Makes another of a document that is there.
    pub(super) async fn replace(
        &self,
        collection: &'static Collection,
        id: &str,
        json: &Value,
    ) -> Result {
        let seen = self.seen(collection, id).await?;
        let replace = Change::Replace(seen, self.body(json));
        self.change_documents(vec![of(collection, id, replace)]).await
    }

    /// Changes documents, and nothing else.
    pub(super) async fn change_documents(&self, documents: Vec<DocumentChange>) -> Result {
        self.store.commit(of_documents(documents)).await.map(drop)
    }

    /// A document that must be there.
    pub(super) async fn the_document(
        &self,
        collection: &'static Collection,
        id: &str,
    ) -> Result<Document> {
        Ok(self.store.document(collection, id).await?.expect("the document is there"))
    }

    /// The state that a document is in.
    pub(super) async fn seen(&self, collection: &'static Collection, id: &str) -> Result<Seen> {
        Ok(self.the_document(collection, id).await?.seen())
    }

    /// Whether a document is there.
    pub(super) async fn has(&self, collection: &'static Collection, id: &str) -> Result<bool> {
        Ok(self.store.document(collection, id).await?.is_some())
    }
}

/// An index.
pub(super) const fn index(field: &'static str) -> Index {
    Index { field, unique: false }
}

/// An index of values that can be there once only.
pub(super) const fn unique(field: &'static str) -> Index {
    Index { field, unique: true }
}

pub(super) fn body_at(time: Timestamp, json: &Value) -> Body {
    Body { schema: 1, time, json: json.to_string().into() }
}

/// A change of one document.
pub(super) fn of(collection: &'static Collection, id: &str, change: Change) -> DocumentChange {
    DocumentChange { collection, id: id.to_owned(), change }
}

/// A unit of changes of documents alone.
pub(super) fn of_documents(documents: Vec<DocumentChange>) -> Unit {
    Unit { documents, ..Unit::default() }
}

/// What is in a document, whatever the order of its keys.
pub(super) fn json_of(document: &Document) -> Value {
    serde_json::from_slice(&document.body.json).expect("a document is JSON")
}

/// Whether somebody else has changed a document, which is at `actual` now.
#[track_caller]
pub(super) fn assert_moved(result: &Result, id: &str, expected: u64, actual: Option<u64>) {
    let Err(Error::DocumentMoved { id: moved, expected: seen, actual: there, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!((moved.as_str(), *seen, *there), (id, expected, actual));
}

/// Whether a value belongs to another document.
#[track_caller]
pub(super) fn assert_taken(result: &Result, field: &str) {
    let Err(Error::ValueTaken { field: taken, .. }) = result else { panic!("{result:?}") };
    assert_eq!(taken, field);
}
