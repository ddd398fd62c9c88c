//! Documents.

use rusqlite::{
    Connection, OptionalExtension, Row, params, params_from_iter, types::Value as Bound,
};
use serde_json::Value;

use super::{
    SqliteStore, collections,
    commit::Syncing,
    query::{Clause, bound},
    rows::{Count, Payload, Time, text},
    stretches::Stretches,
};
use crate::{
    documents::{Body, Change, Collection, Condition, Document, DocumentChange, Documents, Query},
    error::Result,
    store::BoxFuture,
};

impl Documents for SqliteStore {
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            collections::check_names(collection)?;
            let is_made = move |reader: &mut super::Reader| {
                collections::is_made(&reader.connection, collection)
            };
            // Nearly every start finds all as it was, and then disturbs nobody.
            if !self.read(is_made).await? {
                let url = self.shared.failing.url().to_owned();
                let make =
                    move |connection: &Connection| collections::make(connection, collection, &url);
                self.write("making a collection in", Syncing::Now, make).await??;
            }
            self.shared.collections.add(collection);
            Ok(())
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(async move {
            self.shared.slot.check_open()?;
            let (table, id) = (self.shared.collections.table(collection)?, id.to_owned());
            self.read(move |reader| get(&reader.connection, &table, &id)).await
        })
    }

    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(async move {
            self.shared.slot.check_open()?;
            let table = self.shared.collections.table(collection)?;
            let stretches = Stretches::of(query)?;
            self.read_beside(move |reader| find(&mut reader.connection, &table, &stretches)).await
        })
    }

    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            self.shared.slot.check_open()?;
            let table = self.shared.collections.table(collection)?;
            let clause = Clause::of(condition)?;
            self.read_beside(move |reader| count(&reader.connection, &table, clause)).await
        })
    }
}

/// One document.
pub(super) fn get(
    connection: &Connection,
    table: &str,
    id: &str,
) -> rusqlite::Result<Option<Document>> {
    let select =
        format!("SELECT id, version, schema, created, changed, body FROM {table} WHERE id = ?1");
    connection.prepare_cached(&select)?.query_row([id], read).optional()
}

/// The document that has a value which can be there once only.
pub(super) fn owner_of(
    connection: &Connection,
    table: &str,
    field: &str,
    value: &Value,
) -> rusqlite::Result<Option<String>> {
    let select = format!("SELECT id FROM {table} WHERE {field} = ?1");
    let id = |row: &Row<'_>| Ok(text(row, 0)?.into_owned());
    connection.prepare_cached(&select)?.query_row([bound(value)], id).optional()
}

/// Reads one stretch after the other until there is enough, all in one view of the file.
fn find(
    connection: &mut Connection,
    table: &str,
    stretches: &Stretches,
) -> rusqlite::Result<Vec<Document>> {
    let transaction = connection.transaction()?;
    let mut found = Vec::new();
    for stretch in &stretches.all {
        let left = stretches.limit - found.len();
        if left == 0 {
            break;
        }
        let mut select = transaction.prepare_cached(&stretches.select(table, stretch))?;
        let left = Bound::Integer(i64::try_from(left).unwrap_or(i64::MAX));
        let values = params_from_iter(stretch.clause.values.iter().chain([&left]));
        for document in select.query_map(values, read)? {
            found.push(document?);
        }
    }
    Ok(found)
}

fn count(connection: &Connection, table: &str, clause: Clause) -> rusqlite::Result<u64> {
    let select = format!("SELECT count(*) FROM {table} WHERE {}", clause.sql);
    let mut select = connection.prepare_cached(&select)?;
    let values = params_from_iter(clause.values);
    select.query_row(values, |row| row.get(0)).map(|Count(count)| count)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Document> {
    let (Count(version), Time(created), Time(time)) = (row.get(1)?, row.get(3)?, row.get(4)?);
    let Payload(json) = row.get(5)?;
    let body = Body { schema: row.get(2)?, time, json };
    Ok(Document { id: text(row, 0)?.into_owned(), version, created, body })
}

/// Puts what documents end up as in their places.
pub(super) fn write(
    connection: &Connection,
    changes: &[DocumentChange],
    documents: &[Option<Document>],
) -> rusqlite::Result<()> {
    // A value may move from one to another, so all of them let go of theirs first.
    let has_unique = |change: &DocumentChange| change.collection.unique().next().is_some();
    let are_replaced = 1 < changes.len() && changes.iter().any(has_unique);
    if are_replaced {
        for change in changes {
            remove(connection, change)?;
        }
    }
    for (change, document) in changes.iter().zip(documents) {
        match (&change.change, document) {
            (_, None) if are_replaced => {}
            (_, None) => remove(connection, change)?,
            (Change::Replace(..), Some(document)) if !are_replaced => {
                update(connection, change, document)?;
            }
            (_, Some(document)) => insert(connection, change, document)?,
        }
    }
    Ok(())
}

fn remove(connection: &Connection, change: &DocumentChange) -> rusqlite::Result<()> {
    let table = collections::quoted(change.collection.table);
    let delete = format!("DELETE FROM {table} WHERE id = ?1");
    connection.prepare_cached(&delete)?.execute([&change.id]).map(drop)
}

fn update(
    connection: &Connection,
    change: &DocumentChange,
    document: &Document,
) -> rusqlite::Result<()> {
    let table = collections::quoted(change.collection.table);
    let update = format!(
        "UPDATE {table} SET version = ?2, schema = ?3, changed = ?4, body = ?5 WHERE id = ?1"
    );
    let Document { id, version, body, .. } = document;
    let values =
        params![id, Count(*version), body.schema, Time(body.time), Payload(body.json.clone())];
    connection.prepare_cached(&update)?.execute(values).map(drop)
}

fn insert(
    connection: &Connection,
    change: &DocumentChange,
    document: &Document,
) -> rusqlite::Result<()> {
    let table = collections::quoted(change.collection.table);
    let insert = format!(
        "INSERT INTO {table} (id, version, schema, created, changed, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    );
    let Document { id, version, created, body } = document;
    let values = params![
        id,
        Count(*version),
        body.schema,
        Time(*created),
        Time(body.time),
        Payload(body.json.clone())
    ];
    connection.prepare_cached(&insert)?.execute(values).map(drop)
}
