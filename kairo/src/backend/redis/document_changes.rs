//! Changes of documents as the script that commits takes them, and why it refuses them.

use redis::Cmd;
use serde_json::Value;
use uuid::Uuid;

use super::failure::Malformed;
use crate::{
    backend::plan::value_taken,
    clock::micros,
    documents::{Body, Change, Collection, Document, DocumentChange, Seen},
    error::{Error, Result},
};

use super::rows::Read;

/// The longest value that an index lists as it is, in bytes.
const LISTED_MAX: usize = 128;

/// What an index lists of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) unique: bool,
    pub(super) field: String,
    /// The value as it is compared with others; a long one is its digest.
    pub(super) text: String,
    /// The value as people read it.
    pub(super) value: Value,
}

/// An index by the name of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub(super) field: String,
    pub(super) unique: bool,
}

/// A change with what goes with it.
pub(super) struct DocumentPlan<'a> {
    change: &'a DocumentChange,
    /// What is there afterwards, packed.
    packed: Vec<u8>,
    entries: Vec<Entry>,
}

/// The indexes that a collection is declared to have.
pub(super) fn indexes_of(collection: &Collection) -> Vec<IndexRow> {
    let row = |index: &crate::documents::Index| IndexRow {
        field: index.field.to_owned(),
        unique: index.unique,
    };
    collection.indexes.iter().map(row).collect()
}

/// What changes, and how.
///
/// # Errors
/// [`Error::Invalid`] for a body that is no JSON.
pub(super) fn plan_documents(changes: &[DocumentChange]) -> Result<Vec<DocumentPlan<'_>>> {
    changes.iter().map(plan).collect()
}

fn plan(change: &DocumentChange) -> Result<DocumentPlan<'_>> {
    let (version, created, body) = match &change.change {
        Change::Insert(body) => (1, body.time, body),
        Change::Replace(seen, body) => (seen.version + 1, seen.created, body),
        Change::Remove(_) => {
            return Ok(DocumentPlan { change, packed: Vec::new(), entries: Vec::new() });
        }
    };
    let value: Value = serde_json::from_slice(&body.json).map_err(|error| {
        Error::invalid("document", change.id.as_str(), format!("it is JSON: {error}"))
    })?;
    let entries = entries_of(&indexes_of(change.collection), &value);
    Ok(DocumentPlan { change, packed: pack(Seen { version, created }, body), entries })
}

/// What indexes list of a document.
pub(super) fn entries_of(indexes: &[IndexRow], document: &Value) -> Vec<Entry> {
    let mut entries = Vec::new();
    for IndexRow { field, unique } in indexes {
        let value = &document[field.as_str()];
        if !value.is_null() {
            let text = if *unique { value.to_string() } else { listed(value) };
            let (field, value) = (field.clone(), value.clone());
            entries.push(Entry { unique: *unique, field, text, value });
        }
    }
    entries
}

/// A value as an index lists it: what is equal is listed as the same. Whoever finds something there
/// compares again.
pub(super) fn listed(value: &Value) -> String {
    let text = match value.as_f64() {
        Some(number) => number.to_string(),
        None => value.to_string(),
    };
    if text.len() <= LISTED_MAX {
        return text;
    }
    format!("#{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple())
}

/// A document's value: version, when it was made, schema, when it changed, and its body.
fn pack(seen: Seen, body: &Body) -> Vec<u8> {
    let head = format!("{} {} {} ", seen_of(seen), body.schema, body.time.as_microsecond());
    [head.as_bytes(), &body.json].concat()
}

/// Which state of a document it is, as its value begins.
pub(super) fn seen_of(seen: Seen) -> String {
    format!("{} {}", seen.version, seen.created.as_microsecond())
}

/// Reads what [`pack`] made.
pub(super) fn unpack(id: String, packed: &[u8]) -> Read<Document> {
    let document = || {
        let mut words = packed.splitn(5, |byte| *byte == b' ');
        let mut number = || std::str::from_utf8(words.next()?).ok()?.parse::<i64>().ok();
        let version = u64::try_from(number()?).ok()?;
        let created = micros(number()?);
        let schema = u32::try_from(number()?).ok()?;
        let time = micros(number()?);
        let json = words.next()?.to_vec().into();
        Some((version, created, Body { schema, time, json }))
    };
    let (version, created, body) = document().ok_or(Malformed("a document"))?;
    Ok(Document { id, version, created, body })
}

/// Adds changes of documents to the script's arguments.
pub(super) fn write_documents(command: &mut Cmd, plans: &[DocumentPlan<'_>]) {
    command.arg(plans.len());
    for DocumentPlan { change, packed, entries } in plans {
        let (kind, seen) = match &change.change {
            Change::Insert(_) => ("insert", String::new()),
            Change::Replace(seen, _) => ("replace", seen_of(*seen)),
            Change::Remove(seen) => ("remove", seen_of(*seen)),
        };
        command.arg(change.collection.table).arg(&change.id).arg(kind).arg(seen).arg(&packed[..]);
        write_entries(command, entries);
    }
}

/// Adds entries to a script's arguments.
pub(super) fn write_entries(command: &mut Cmd, entries: &[Entry]) {
    command.arg(entries.len());
    for entry in entries {
        command.arg(kind(entry.unique)).arg(&entry.field).arg(&entry.text);
    }
}

/// The kind of an index, as scripts say it.
pub(super) fn kind(unique: bool) -> &'static str {
    if unique { "unique" } else { "plain" }
}

/// What a refusal means for the change that it names; `None` if it is none that the script gives.
pub(super) fn refusal(reply: &str, plans: &[DocumentPlan<'_>]) -> Option<Error> {
    let mut words = reply.split(' ');
    let word = words.next()?;
    let mut index = || words.next()?.parse::<usize>().ok()?.checked_sub(1);
    let DocumentPlan { change, entries, .. } = plans.get(index()?)?;
    Some(match (word, &change.change) {
        ("unknown", _) => unknown(change.collection),
        ("exists", _) => change.exists(),
        ("moved", Change::Replace(seen, _) | Change::Remove(seen)) => {
            change.moved(*seen, words.next()?.parse().ok())
        }
        ("taken", _) => {
            let Entry { field, value, .. } = entries.get(index()?)?;
            value_taken(change.collection, field.as_str(), value)
        }
        _ => return None,
    })
}

/// That a collection has not been made.
pub(super) fn unknown(collection: &Collection) -> Error {
    Error::NotFound { what: "collection", value: collection.name.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_are_listed_as_the_same() {
        assert_eq!(listed(&json!(1)), listed(&json!(1.0)));
        assert_ne!(listed(&json!(1)), listed(&json!("1")));
        assert!(listed(&json!("x".repeat(1_000))).len() <= LISTED_MAX);
    }

    #[test]
    fn a_document_is_read_as_it_was_packed() {
        let body = Body { schema: 3, time: micros(-5), json: r#"{"a": "b c"}"#.into() };
        let seen = Seen { version: 7, created: micros(-9) };
        let document = unpack("x".into(), &pack(seen, &body)).unwrap();
        assert_eq!(document, Document { id: "x".into(), version: 7, created: seen.created, body });
        assert!(unpack("x".into(), b"7 a b").is_err());
    }
}
