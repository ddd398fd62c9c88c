//! Changes of documents, inside a transaction that has looked at them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};

use super::{
    collections::field_of,
    connections::answered,
    documents::unknown,
    failure::{Trouble, Violation, is_too_large, is_undefined},
    instant::Instant,
    rows::{count, int},
    search::field,
    tables::Tables,
};
use crate::{
    backend::plan::unique_values,
    documents::{Body, Change, Collection, Document, DocumentChange},
    error::{Error, Result},
    store::Unit,
};

/// The documents that a unit changes, as far as they are there, in one order for all; nobody else
/// changes them until the transaction ends.
const LOCKED: &str =
    "SELECT id, version, created FROM {doc} WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const INSERT: &str = "INSERT INTO {doc} (id, version, schema, created, changed, body) \
     SELECT id, version, schema, created, changed, body::jsonb FROM unnest($1::text[], \
      $2::bigint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[]) \
     AS v (id, version, schema, created, changed, body)";

const UPDATE: &str = "UPDATE {doc} SET version = $2, schema = $3, changed = $4, \
     body = $5::text::jsonb WHERE id = $1";

const DELETE: &str = "DELETE FROM {doc} WHERE id = ANY($1)";

/// What the server cannot keep in `jsonb`.
pub(super) const NO_NUL: &str = "PostgreSQL has no text with the character U+0000";

/// What an index entry cannot hold.
const TOO_LARGE: &str = "a value of an indexed field has at most about 2,600 bytes on PostgreSQL";

/// What a transaction sees of documents.
#[derive(Debug, Default)]
pub(super) struct SeenDocuments {
    /// By table and id; without their bodies.
    there: HashMap<(&'static str, String), Document>,
    /// Who has a unique value, by table, field and value.
    owners: HashMap<(&'static str, &'static str, String), String>,
}

impl SeenDocuments {
    pub(super) fn document(&self, collection: &Collection, id: &str) -> Option<Document> {
        self.there.get(&(collection.table, id.to_owned())).cloned()
    }

    pub(super) fn owner_of(
        &self,
        collection: &Collection,
        field: &'static str,
        value: &Value,
    ) -> Option<String> {
        self.owners.get(&(collection.table, field, value.to_string())).cloned()
    }

    /// Looks at the documents that a unit changes, and at the owners of the unique values that it
    /// brings.
    pub(super) async fn look(
        connection: &mut PgConnection,
        tables: &Tables,
        changes: &[DocumentChange],
    ) -> Result<Self, Trouble> {
        let mut seen = Self::default();
        for (table, changes) in by_table(changes) {
            let collection = changes[0].collection;
            let ids: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
            let select = tables.query_of(collection, LOCKED).bind(ids);
            let rows = answered(select.fetch_all(&mut *connection)).await;
            for row in rows.map_err(|error| trouble(collection, error))? {
                let document = read_seen(&row)?;
                seen.there.insert((table, document.id.clone()), document);
            }
            seen.look_for_owners(connection, tables, &changes).await?;
        }
        Ok(seen)
    }

    async fn look_for_owners(
        &mut self,
        connection: &mut PgConnection,
        tables: &Tables,
        changes: &[&DocumentChange],
    ) -> Result<(), Trouble> {
        let collection = changes[0].collection;
        let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for change in changes {
            for (field, value) in brought(change)? {
                values.entry(field).or_default().push(value.to_string());
            }
        }
        for (name, values) in values {
            let (table, field) = (tables.table_of(collection), field(name));
            let text = format!(
                "SELECT w.no, o.id FROM unnest($1::text[]) WITH ORDINALITY AS w (value, no) \
                 CROSS JOIN LATERAL (SELECT id FROM {table} WHERE {field} = w.value::jsonb \
                 LIMIT 1) AS o"
            );
            let select = sqlx::query(AssertSqlSafe(text)).bind(&values);
            for row in answered(select.fetch_all(&mut *connection)).await? {
                let index = usize::try_from(count(&row, 0)?).unwrap_or_default();
                if let Some(value) = index.checked_sub(1).and_then(|index| values.get(index)) {
                    let key = (collection.table, name, value.clone());
                    self.owners.insert(key, row.try_get(1)?);
                }
            }
        }
        Ok(())
    }
}

/// A document as far as a change needs to see it.
fn read_seen(row: &PgRow) -> sqlx::Result<Document> {
    let Instant(created) = row.try_get(2)?;
    let body = Body { schema: 0, time: created, json: Bytes::new() };
    Ok(Document { id: row.try_get(0)?, version: count(row, 1)?, created, body })
}

/// Changes by their tables, in one order for all units.
fn by_table(changes: &[DocumentChange]) -> BTreeMap<&'static str, Vec<&DocumentChange>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for change in changes {
        tables.entry(change.collection.table).or_default().push(change);
    }
    tables
}

/// The unique values that a document has after its change.
fn brought(change: &DocumentChange) -> Result<Vec<(&'static str, Value)>> {
    match &change.change {
        Change::Insert(body) | Change::Replace(_, body) => {
            let document = Document::new(change.id.clone(), body.clone());
            unique_values(change.collection, &document)
        }
        Change::Remove(_) => Ok(Vec::new()),
    }
}

/// Makes the planned changes. Where several documents of a collection change, of which a value can be
/// there once only, all make room first: values may move between them in a circle.
pub(super) async fn write(
    connection: &mut PgConnection,
    tables: &Tables,
    changes: &[DocumentChange],
    planned: &[Option<Document>],
) -> Result<(), Trouble> {
    let planned: HashMap<(&str, &str), &Document> = (changes.iter().zip(planned))
        .filter_map(|(change, document)| {
            Some(((change.collection.table, change.id.as_str()), document.as_ref()?))
        })
        .collect();
    for (table, changes) in by_table(changes) {
        let collection = changes[0].collection;
        let make_room = 1 < changes.len() && collection.unique().next().is_some();
        let (mut gone, mut new, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let document = planned.get(&(table, change.id.as_str())).copied();
            let stays = matches!(change.change, Change::Replace(..)) && !make_room;
            if !stays && !matches!(change.change, Change::Insert(_)) {
                gone.push(change.id.as_str());
            }
            match document {
                Some(document) if stays => other.push(document),
                Some(document) => new.push(document),
                None => {}
            }
        }
        let made = set(connection, tables, collection, &gone, &new, &other).await;
        made.map_err(|error| trouble(collection, error))?;
    }
    Ok(())
}

async fn set(
    connection: &mut PgConnection,
    tables: &Tables,
    collection: &Collection,
    gone: &[&str],
    new: &[&Document],
    other: &[&Document],
) -> sqlx::Result<()> {
    if !gone.is_empty() {
        let delete = tables.query_of(collection, DELETE).bind(gone);
        answered(delete.execute(&mut *connection)).await?;
    }
    for document in other {
        let body = &document.body;
        let update = tables.query_of(collection, UPDATE).bind(document.id.as_str());
        let update = update.bind(int(document.version)).bind(i64::from(body.schema));
        let update = update.bind(Instant(body.time)).bind(text(body)?);
        answered(update.execute(&mut *connection)).await?;
    }
    if !new.is_empty() {
        let all = new.iter();
        let texts: Vec<&str> =
            all.clone().map(|document| text(&document.body)).collect::<sqlx::Result<_>>()?;
        let insert = tables
            .query_of(collection, INSERT)
            .bind(all.clone().map(|it| it.id.as_str()).collect::<Vec<_>>())
            .bind(all.clone().map(|it| int(it.version)).collect::<Vec<_>>())
            .bind(all.clone().map(|it| i64::from(it.body.schema)).collect::<Vec<_>>())
            .bind(all.clone().map(|it| Instant(it.created)).collect::<Vec<_>>())
            .bind(all.map(|it| Instant(it.body.time)).collect::<Vec<_>>())
            .bind(texts);
        answered(insert.execute(connection)).await?;
    }
    Ok(())
}

/// A body as the server takes it.
pub(super) fn text(body: &Body) -> sqlx::Result<&str> {
    std::str::from_utf8(&body.json).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Checks what the server would refuse of a unit's documents.
///
/// # Errors
/// [`Error::Invalid`]
pub(super) fn check(unit: &Unit) -> Result {
    for change in &unit.documents {
        if change.id.contains('\0') {
            return Err(Error::invalid("id", change.id.escape_debug().to_string(), NO_NUL));
        }
        let (Change::Insert(body) | Change::Replace(_, body)) = &change.change else { continue };
        // Only a backslash can bring it.
        let may_have = body.json.windows(6).any(|bytes| bytes == br"\u0000");
        let invalid = |reason: String| Error::invalid("document", change.id.as_str(), reason);
        if may_have {
            let value: Value = serde_json::from_slice(&body.json)
                .map_err(|error| invalid(format!("it is JSON: {error}")))?;
            if has_nul(&value) {
                return Err(invalid(NO_NUL.to_owned()));
            }
        }
    }
    Ok(())
}

/// Whether a value holds a text with the character U+0000.
pub(super) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What an error of a collection's table is. A unique index of ours is a race, which a plan decides
/// that is made after it; one that somebody else has put there is for the caller.
pub(super) fn trouble(collection: &Collection, error: sqlx::Error) -> Trouble {
    if is_undefined(&error) {
        return unknown(collection).into();
    }
    if is_too_large(&error) {
        return Error::invalid("document", collection.name, TOO_LARGE).into();
    }
    match Violation::of(&error) {
        Some(violation) if !is_ours(collection, violation.index()) => {
            violation.of_value(collection, violation.index()).into()
        }
        _ => error.into(),
    }
}

fn is_ours(collection: &Collection, index: &str) -> bool {
    index == primary_key(collection) || field_of(collection, index).is_some()
}

fn primary_key(collection: &Collection) -> String {
    format!("{}_pkey", collection.table)
}

/// What a race for a document of a unit is to a caller whose transaction cannot be repeated.
pub(super) fn lost_race(unit: &Unit, violation: &Violation<'_>) -> Option<Error> {
    let is_it = |change: &&DocumentChange| Some(change.collection.table) == violation.table();
    let of_table = || unit.documents.iter().filter(is_it);
    let collection = of_table().next()?.collection;
    if let Some(field) = field_of(collection, violation.index()) {
        return Some(violation.of_value(collection, field));
    }
    let is_taken = |change: &&DocumentChange| {
        matches!(change.change, Change::Insert(_)) && violation.key() == Some(change.id.as_str())
    };
    of_table().find(is_taken).map(DocumentChange::exists)
}
