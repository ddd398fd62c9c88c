//! Documents in the tables of their collections: reading and looking for them.
//!
//! People and other programs may read these tables, and put indexes and views on them; what they
//! change there has no event.

use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

use super::{
    PostgresStore,
    collections::{self, Making},
    failure::is_undefined,
    instant::Instant,
    rows::{count, small},
    search::Search,
    tables::Statement,
};
use crate::{
    documents::{Body, Collection, Condition, Document, Documents, Query},
    error::{Error, Result},
    store::BoxFuture,
};

/// The columns of a document, in the order of [`read`].
macro_rules! document_columns {
    () => {
        "id, version, created, schema, changed, body::text"
    };
}

/// One document.
pub(super) const ONE: &str = concat!("SELECT ", document_columns!(), " FROM {doc} WHERE id = $1");

impl Documents for PostgresStore {
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            collections::check(collection, &self.shared.tables)?;
            self.shared.transact("making a collection of", &Making(collection)).await
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(async move {
            let select = || self.shared.tables.query_of(collection, ONE).bind(id);
            let rows = self.documents(collection, select).await?;
            Ok(read_all(&rows).map_err(|error| self.unreadable(error))?.pop())
        })
    }

    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(async move {
            let select = concat!("SELECT ", document_columns!(), " FROM");
            let search = Search::of_query(query)?;
            let rows = self.search(collection, select, &search).await?;
            read_all(&rows).map_err(|error| self.unreadable(error))
        })
    }

    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let search = Search::of_condition(condition)?;
            let rows = self.search(collection, "SELECT count(*) FROM", &search).await?;
            let counted = rows.first().map_or(Ok(0), |row| count(row, 0));
            counted.map_err(|error| self.unreadable(error))
        })
    }
}

impl PostgresStore {
    async fn search(
        &self,
        collection: &Collection,
        select: &str,
        search: &Search,
    ) -> Result<Vec<PgRow>> {
        let text = format!("{select} {}{}", self.shared.tables.table_of(collection), search.text);
        // The text has quoted names and numbers of values; the values themselves are bound.
        let statement = || search.bind(sqlx::query(AssertSqlSafe(text.clone())));
        self.documents(collection, statement).await
    }

    async fn documents(
        &self,
        collection: &Collection,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<PgRow>> {
        let fetched = match self.shared.pool.fetch_twice(statement).await? {
            Err(error) if is_undefined(&error) => return Err(unknown(collection)),
            fetched => fetched,
        };
        fetched.map_err(|error| self.shared.failing.of("reading", error))
    }
}

/// That a collection has not been made.
pub(super) fn unknown(collection: &Collection) -> Error {
    Error::NotFound { what: "collection", value: collection.name.to_owned() }
}

/// Reads documents.
pub(super) fn read_all(rows: &[PgRow]) -> sqlx::Result<Vec<Document>> {
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> sqlx::Result<Document> {
    let Instant(created) = row.try_get(2)?;
    let Instant(time) = row.try_get(4)?;
    let json = row.try_get::<String, _>(5)?.into();
    let body = Body { schema: small(row, 3)?, time, json };
    Ok(Document { id: row.try_get(0)?, version: count(row, 1)?, created, body })
}
