//! What changes of documents come to: checked in full before any of them is written.

use std::collections::HashSet;

use serde_json::Value;

use super::plan::View;
use crate::{
    documents::{Collection, Document, DocumentChange},
    error::{Error, Result, shortened},
};

/// How documents end up. Unique values are compared with what everything else of the unit leaves
/// behind, so that a value can move from one document to another.
///
/// # Errors
/// [`Error::DocumentExists`], [`Error::DocumentMoved`] or [`Error::ValueTaken`], or what the view fails
/// with.
pub(super) fn plan_documents(
    changes: &[DocumentChange],
    view: &mut impl View,
) -> Result<Vec<Option<Document>>> {
    let mut planned = Vec::with_capacity(changes.len());
    for change in changes {
        let there = view.document(change.collection, &change.id)?;
        planned.push(change.apply(there.as_ref())?);
    }
    let mut taken = HashSet::new();
    for (change, document) in changes.iter().zip(&planned) {
        let Some(document) = document else { continue };
        let collection = change.collection;
        for (field, value) in unique_values(collection, document)? {
            let is_free = match view.owner_of(collection, field, &value)? {
                Some(owner) => {
                    changes.iter().any(|it| it.collection == collection && it.id == owner)
                }
                None => true,
            };
            if !is_free || !taken.insert((collection.table, field, value.to_string())) {
                return Err(value_taken(collection, field, &value));
            }
        }
    }
    Ok(planned)
}

/// The values of a document that can be there once only.
///
/// # Errors
/// [`Error::Invalid`] when it is no JSON, or such a value is a list or an object.
pub(crate) fn unique_values(
    collection: &'static Collection,
    document: &Document,
) -> Result<Vec<(&'static str, Value)>> {
    if collection.unique().next().is_none() {
        return Ok(Vec::new());
    }
    let body: Value = serde_json::from_slice(&document.body.json).map_err(|error| {
        Error::invalid("document", document.id.as_str(), format!("it is JSON: {error}"))
    })?;
    let values = collection.unique().map(|field| (field, &body[field]));
    let values = values.filter(|(_, value)| !value.is_null()).map(|(field, value)| {
        if value.is_array() || value.is_object() {
            let allowed = "a unique value is a text, a number or a boolean";
            return Err(Error::invalid("field", field, allowed));
        }
        Ok((field, value.clone()))
    });
    values.collect()
}

/// That a unique value belongs to another document.
pub(crate) fn value_taken(
    collection: &Collection,
    field: impl Into<String>,
    value: &Value,
) -> Error {
    let value = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (collection, value) = (collection.name, Some(shortened(value)));
    Error::ValueTaken { collection, field: field.into(), value }
}
