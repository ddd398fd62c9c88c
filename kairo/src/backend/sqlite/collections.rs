//! Tables of documents: whose they are, and which indexes they have.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::{query::check_field, rows::Json};
use crate::{
    backend::plan::value_taken,
    documents::{Collection, Index},
    error::{Error, Result},
};

/// The longest name of a table, in bytes.
const TABLE_MAX: usize = 48;

/// What names of tables do not begin with, because others have them.
const TAKEN: [&str; 2] = ["kairo_", "sqlite_"];

/// The columns of a document, as `documents` reads and writes them.
const COLUMNS: &str = "id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, \
     schema INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, \
     body TEXT NOT NULL";

/// The collections that have been made here. Their names are fit for statements.
#[derive(Debug, Default)]
pub(super) struct Collections {
    tables: RwLock<HashSet<&'static str>>,
}

impl Collections {
    /// The table of a collection, as statements name it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the collection has not been made.
    pub(super) fn table(&self, collection: &Collection) -> Result<String> {
        if self.has(collection) {
            return Ok(quoted(collection.table));
        }
        Err(Error::NotFound { what: "collection", value: collection.name.to_owned() })
    }

    pub(super) fn add(&self, collection: &Collection) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(collection.table);
    }

    fn has(&self, collection: &Collection) -> bool {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).contains(collection.table)
    }
}

/// Not a temporary table of the same name, which would hide it.
pub(super) fn quoted(table: &str) -> String {
    format!("main.\"{table}\"")
}

/// Refuses names that cannot be in statements, or that others have.
///
/// # Errors
/// [`Error::Invalid`]
pub(super) fn check_names(collection: &Collection) -> Result {
    let table = collection.table;
    let begins = table.starts_with(|first: char| first == '_' || first.is_ascii_lowercase());
    let is_fit = |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_free = TAKEN.iter().all(|taken| !table.starts_with(taken));
    if !(begins && is_free && table.len() <= TABLE_MAX && table.bytes().all(is_fit)) {
        let allowed = format!(
            "at most {TABLE_MAX} lower-case letters, digits and `_`, no digit in front, and neither \
             `kairo_` nor `sqlite_`"
        );
        return Err(Error::invalid("table of a collection", table, allowed));
    }
    collection.indexes.iter().try_for_each(|index| check_field(index.field))
}

/// Whether everything is as it is declared.
pub(super) fn is_made(connection: &Connection, collection: &Collection) -> rusqlite::Result<bool> {
    let there = There::read(connection, collection)?;
    Ok(there.table == Table::Ours && there.missing(collection).is_empty() && {
        let wanted = names(collection);
        there.indexes.iter().all(|name| wanted.contains(name))
    })
}

/// Makes the table and its indexes. A refusal is the inner error, and nothing has been written then.
pub(super) fn make(
    connection: &Connection,
    collection: &Collection,
    url: &str,
) -> rusqlite::Result<Result> {
    let there = There::read(connection, collection)?;
    let table = quoted(collection.table);
    match &there.table {
        Table::Foreign(what) => {
            let reason = format!("somebody else has made this {what}");
            return Ok(Err(Error::Foreign {
                store: format!("{url}#{}", collection.table),
                reason,
            }));
        }
        Table::Missing => {
            connection.execute_batch(&format!("CREATE TABLE {table} ({COLUMNS}) STRICT"))?;
            let insert = "INSERT OR IGNORE INTO kairo_collection (name) VALUES (?1)";
            connection.execute(insert, [collection.table])?;
        }
        Table::Ours => {}
    }
    let missing = there.missing(collection);
    for index in missing.iter().filter(|index| index.unique) {
        if let Some(value) = doubled(connection, &table, index.field)? {
            return Ok(Err(value_taken(collection, index.field, &value)));
        }
    }
    let wanted = names(collection);
    for name in there.indexes.iter().filter(|name| !wanted.contains(name)) {
        connection.execute_batch(&format!("DROP INDEX main.\"{}\"", name.replace('"', "\"\"")))?;
    }
    for index in missing {
        connection.execute_batch(&create_index(collection, index))?;
    }
    Ok(Ok(()))
}

/// What there is of a collection.
struct There {
    table: Table,
    /// The names of our indexes.
    indexes: Vec<String>,
}

#[derive(PartialEq, Eq)]
enum Table {
    Missing,
    Ours,
    /// Something that we have not made, such as a `view`.
    Foreign(String),
}

impl There {
    fn read(connection: &Connection, collection: &Collection) -> rusqlite::Result<Self> {
        let kind = "SELECT type FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        let kind: Option<String> = connection
            .prepare_cached(kind)?
            .query_row([collection.table], |row| row.get(0))
            .optional()?;
        let registered = "SELECT 1 FROM main.kairo_collection WHERE name = ?1";
        let is_registered = connection.prepare_cached(registered)?.exists([collection.table])?;
        let table = match kind {
            None => Table::Missing,
            Some(kind) if is_registered && kind == "table" => Table::Ours,
            Some(kind) => Table::Foreign(kind),
        };
        let indexes = "SELECT name FROM main.sqlite_schema \
             WHERE type = 'index' AND tbl_name = ?1 AND name GLOB ?2";
        let mut indexes = connection.prepare_cached(indexes)?;
        let ours = format!("kairo_*:{}.*", collection.table);
        let indexes = indexes.query_map(params![collection.table, ours], |row| row.get(0))?;
        Ok(Self { table, indexes: indexes.collect::<rusqlite::Result<_>>()? })
    }

    fn missing<'a>(&self, collection: &'a Collection) -> Vec<&'a Index> {
        let is_missing = |index: &&Index| !self.indexes.contains(&name(collection, index));
        collection.indexes.iter().filter(is_missing).collect()
    }
}

fn names(collection: &Collection) -> Vec<String> {
    collection.indexes.iter().map(|index| name(collection, index)).collect()
}

/// No table's or field's name has a `:` or a `.`.
fn name(collection: &Collection, index: &Index) -> String {
    let kind = if index.unique { "kairo_unique" } else { "kairo_index" };
    format!("{kind}:{}.{}", collection.table, index.field)
}

/// The id is what decides last in every order.
fn create_index(collection: &Collection, index: &Index) -> String {
    let (unique, id) = if index.unique { ("UNIQUE ", "") } else { ("", ", id") };
    format!(
        "CREATE {unique}INDEX IF NOT EXISTS main.\"{}\" ON \"{}\" (json_extract(body, '$.{}'){id})",
        name(collection, index),
        collection.table,
        index.field
    )
}

/// A value that more than one document has.
fn doubled(connection: &Connection, table: &str, field: &str) -> rusqlite::Result<Option<Value>> {
    let value = format!("json_extract(body, '$.{field}')");
    let select = format!(
        "SELECT body -> '$.{field}' FROM {table} WHERE {value} IS NOT NULL \
         GROUP BY {value} HAVING 1 < count(*) LIMIT 1"
    );
    let value = |row: &rusqlite::Row<'_>| row.get(0).map(|Json(value)| value);
    connection.query_row(&select, [], value).optional()
}
