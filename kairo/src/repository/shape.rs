//! Entities as the JSON of their documents: writing, reading, and what differs.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::Entity;
use crate::{
    documents::{DOCUMENT_MAX, Document},
    error::{BoxError, DecodeError, Error, Result},
};

/// An entity as JSON.
///
/// # Errors
/// [`Error::Invalid`] when it cannot be written, is no object, or is too large.
pub(super) fn encode<T: Entity>(entity: &T, id: &str) -> Result<Bytes> {
    let invalid = |why: String| Error::invalid(T::NAME, id, why);
    let json = serde_json::to_vec(entity)
        .map_err(|error| invalid(format!("it cannot be written as JSON: {error}")))?;
    if json.first() != Some(&b'{') {
        return Err(invalid("it is written as JSON that is no object".to_owned()));
    }
    if DOCUMENT_MAX < json.len() {
        let bytes = json.len();
        return Err(invalid(format!("it has {bytes} bytes as JSON; use at most {DOCUMENT_MAX}")));
    }
    Ok(json.into())
}

/// An entity of its document, with its version filled in.
///
/// # Errors
/// [`Error::UnreadableDocument`]
pub(super) fn decode<T: Entity>(document: &Document) -> Result<T> {
    match T::decode(document.body.schema, &document.body.json) {
        Ok(mut entity) => {
            entity.set_version(document.version);
            Ok(entity)
        }
        Err(DecodeError::Newer { found, known, .. }) => Err(unreadable::<T>(
            document,
            format!("its shape has version {found}, but this binary knows versions up to {known}"),
        )),
        Err(DecodeError::Malformed { source, .. }) => {
            let field = field_at(&document.body.json, &source);
            match unreadable::<T>(document, source) {
                Error::UnreadableDocument { collection, id, source, .. } => {
                    Err(Error::UnreadableDocument { collection, id, field, source })
                }
                other => Err(other),
            }
        }
        Err(other) => Err(unreadable::<T>(document, other)),
    }
}

/// That a document is not of the shape of its entity.
pub(super) fn unreadable<T: Entity>(document: &Document, source: impl Into<BoxError>) -> Error {
    Error::UnreadableDocument {
        collection: T::COLLECTION.name,
        id: document.id.clone(),
        field: None,
        source: source.into(),
    }
}

/// The fields of a JSON object, as they are written.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The field in which the decoder stopped. An error about the object as a whole, such as a field that
/// is missing, lies in none and names it itself.
fn field_at(json: &[u8], error: &serde_json::Error) -> Option<String> {
    let fields: Fields<'_> = serde_json::from_slice(json).ok()?;
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().checked_sub(1)?).map(<[u8]>::len).sum();
    // The column counts the bytes that were read, and the last of them did not fit.
    let at = before + error.column();
    let start = json.as_ptr().addr();
    let is_there = |value: &RawValue| {
        let from = value.get().as_ptr().addr() - start;
        from < at && at <= from + value.get().len()
    };
    fields.into_iter().find(|(_, value)| is_there(value)).map(|(name, _)| name)
}

/// The names of the fields that differ, in alphabetical order.
///
/// # Errors
/// When one of the two is no JSON object, which [`encode`] has made sure of.
pub(super) fn changes(before: &[u8], after: &[u8]) -> serde_json::Result<Vec<String>> {
    let (before, after): (Fields<'_>, Fields<'_>) =
        (serde_json::from_slice(before)?, serde_json::from_slice(after)?);
    let gone = before.keys().filter(|name| !after.contains_key(*name)).cloned();
    let differs = |name: &str, value: &RawValue| {
        before.get(name).is_none_or(|before| !is_same(before, value))
    };
    let changed = after.iter().filter(|(name, value)| differs(name, value));
    let mut names: Vec<_> = changed.map(|(name, _)| name.clone()).chain(gone).collect();
    names.sort();
    Ok(names)
}

/// Whether two values are the same; a map may write its keys in another order each time.
fn is_same(one: &RawValue, other: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    one.get() == other.get()
        || one.get().len() == other.get().len()
            && value(one).is_some_and(|it| value(other) == Some(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &[&str]) {
        assert_eq!(changes(before.as_bytes(), after.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_differs_is_named() {
        check(r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#, &[]);
        check(r#"{"b":2,"a":1}"#, r#"{"a":2,"b":3}"#, &["a", "b"]);
        check(r#"{"a":1,"b":2}"#, r#"{"b":2,"c":3}"#, &["a", "c"]);
        check(r#"{"a":null}"#, r#"{"a":""}"#, &["a"]);
    }

    #[test]
    fn a_map_in_another_order_is_the_same() {
        check(r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"y":2,"x":1}}"#, &[]);
        check(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, &["a"]);
    }

    #[test]
    fn the_field_that_does_not_fit_is_found() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "they are only decoded")]
        struct Shape {
            name: String,
            age: u32,
        }
        for (json, expected) in [
            (r#"{"name":"Ada","age":"old"}"#, Some("age")),
            ("{\n  \"age\": 36,\n  \"name\": 7\n}", Some("name")),
            (r#"{"name":"Ada","age":-1}"#, Some("age")),
            (r#"{"name":"Ada"}"#, None),
        ] {
            let error = serde_json::from_str::<Shape>(json).unwrap_err();
            assert_eq!(field_at(json.as_bytes(), &error).as_deref(), expected, "{json}: {error}");
        }
    }
}
