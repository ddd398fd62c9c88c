//! A document as the store keeps it, and how it changes.

use bytes::Bytes;

use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Documents of one kind.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Collection {
    /// Its name, as errors and events say it.
    pub name: &'static str,
    /// Where a store with tables keeps it.
    pub table: &'static str,
    /// The fields that have an index.
    pub indexes: &'static [Index],
}

/// An index over one field of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index {
    /// The key in the document's JSON.
    pub field: &'static str,
    /// Whether a value can be there once only.
    pub unique: bool,
}

impl Collection {
    /// The fields whose values can be there once only.
    pub fn unique(&self) -> impl Iterator<Item = &'static str> {
        self.indexes.iter().filter(|index| index.unique).map(|index| index.field)
    }
}

/// A document as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Rises with every change, from 1.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// What is in it, and since when.
    pub body: Body,
}

/// What is in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The version of its shape, from 1.
    pub schema: u32,
    /// When it became this.
    pub time: Timestamp,
    /// A JSON object of at most [`DOCUMENT_MAX`](super::DOCUMENT_MAX) bytes. A store may change the
    /// order of its keys, and the space between them.
    pub json: Bytes,
}

/// Which state of a document somebody has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its version.
    pub version: u64,
    /// When it was made; another one of this id was made at another time.
    pub created: Timestamp,
}

impl Document {
    /// A new document.
    #[must_use]
    pub const fn new(id: String, body: Body) -> Self {
        Self { id, version: 1, created: body.time, body }
    }

    /// Which state this is.
    #[must_use]
    pub const fn seen(&self) -> Seen {
        Seen { version: self.version, created: self.created }
    }
}

/// What happens to one document.
#[derive(Clone, Debug)]
pub struct DocumentChange {
    /// Where it is.
    pub collection: &'static Collection,
    /// Its id.
    pub id: String,
    /// What happens.
    pub change: Change,
}

/// What happens to a document.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is made, where none of its id is there.
    Insert(Body),
    /// It becomes another, where it is as it was seen.
    Replace(Seen, Body),
    /// It goes, where it is as it was seen.
    Remove(Seen),
}

impl DocumentChange {
    /// What there is of the document afterwards, where `there` is what is there before.
    ///
    /// # Errors
    /// [`Error::DocumentExists`] or [`Error::DocumentMoved`]
    pub(crate) fn apply(&self, there: Option<&Document>) -> Result<Option<Document>> {
        match (&self.change, there) {
            (Change::Insert(body), None) => Ok(Some(Document::new(self.id.clone(), body.clone()))),
            (Change::Insert(_), Some(_)) => Err(self.exists()),
            (Change::Replace(seen, body), Some(there)) if there.seen() == *seen => {
                Ok(Some(Document {
                    id: self.id.clone(),
                    version: seen.version + 1,
                    created: seen.created,
                    body: body.clone(),
                }))
            }
            (Change::Remove(seen), Some(there)) if there.seen() == *seen => Ok(None),
            (Change::Replace(seen, _) | Change::Remove(seen), there) => {
                Err(self.moved(*seen, there.map(|there| there.version)))
            }
        }
    }

    /// That the id is taken.
    pub(crate) fn exists(&self) -> Error {
        Error::DocumentExists { collection: self.collection.name, id: self.id.clone() }
    }

    /// That the document is not what was seen.
    pub(crate) fn moved(&self, seen: Seen, actual: Option<u64>) -> Error {
        Error::DocumentMoved {
            collection: self.collection.name,
            id: self.id.clone(),
            expected: seen.version,
            actual,
        }
    }
}
