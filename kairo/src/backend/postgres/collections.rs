//! Collections: a table for each, and the indexes that it is declared to have.

use std::collections::HashSet;

use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::{
    Change,
    connections::{answered, answered_within},
    failure::{Trouble, Violation},
    options::is_taken,
    search::field,
    tables::{Tables, is_name, quoted},
};
use crate::{
    documents::{Collection, Index},
    error::{Error, Result},
};

/// The most bytes of an identifier.
const IDENTIFIER_MAX: usize = 63;

/// How long an index over what is there may take to make.
const INDEX_MAX: std::time::Duration = std::time::Duration::from_mins(10);

/// Two processes that start at a time make the same collections.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('kairo collection ' || $1, 0))";

/// What has the name of a collection's table: its kind, and what is known of the collection.
const LOOK: &str = "SELECT (SELECT c.relkind::text FROM pg_class AS c JOIN pg_namespace AS n \
      ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relname::text = $1), \
     (SELECT indexes FROM {s}kairo_collection WHERE collection = $1)";

/// The indexes that there are, whoever made them.
const INDEXES: &str =
    "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1 AND tablename = $2";

const CREATE: &str = "CREATE TABLE {doc} (id text COLLATE \"C\" PRIMARY KEY, \
     version bigint NOT NULL, schema bigint NOT NULL, created timestamptz NOT NULL, \
     changed timestamptz NOT NULL, body jsonb NOT NULL)";

const KEEP: &str = "INSERT INTO {s}kairo_collection (collection, name, indexes) VALUES ($1, $2, $3) \
     ON CONFLICT (collection) DO UPDATE SET name = excluded.name, indexes = excluded.indexes \
     WHERE (kairo_collection.name, kairo_collection.indexes) \
      IS DISTINCT FROM (excluded.name, excluded.indexes)";

/// Refuses a collection whose table cannot be called so.
///
/// # Errors
/// [`Error::Invalid`]
pub(super) fn check(collection: &Collection, tables: &Tables) -> Result {
    let table = collection.table;
    if !is_name(table) {
        const FORM: &str =
            "use 1 to 48 characters of `a-z`, `0-9` and `_`, and no digit as the first";
        return Err(Error::invalid("table", table, FORM));
    }
    if is_taken(table) || table == tables.event() {
        return Err(Error::invalid("table", table, "the store has a table of this name itself"));
    }
    if collection.indexes.iter().any(|index| index.field.contains('\0')) {
        return Err(Error::invalid("field", "\0", "PostgreSQL has no text with this character"));
    }
    Ok(())
}

/// What an index is called. Its beginning tells fields apart whose names are long, or no identifiers,
/// and whether a value can be there once only.
fn index_name(collection: &Collection, index: Index) -> String {
    let Index { field, unique } = index;
    let seed = format!("{unique} {field}");
    let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes()).simple().to_string();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let shown: String = field.chars().filter(is_plain).collect();
    let mut name = format!("{}_{}_{shown}", collection.table, &digest[..8]);
    name.truncate(IDENTIFIER_MAX);
    name
}

/// The field over which a collection has the index of this name.
pub(super) fn field_of(collection: &Collection, name: &str) -> Option<&'static str> {
    let is_it = |index: &&Index| index_name(collection, **index) == name;
    collection.indexes.iter().find(is_it).map(|index| index.field)
}

/// A collection that is made what it is declared to be.
pub(super) struct Making(pub(super) &'static Collection);

impl Change for Making {
    type Done = ();

    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<(), Trouble> {
        let Self(collection) = self;
        let lock = sqlx::query(LOCK).bind(tables.schema());
        answered_within(INDEX_MAX, lock.execute(&mut *connection)).await?;
        let select = tables.query(LOOK).bind(collection.table).bind(tables.schema());
        let found = answered(select.fetch_one(&mut *connection)).await?;
        let (kind, known): (Option<String>, Option<Vec<String>>) =
            (found.try_get(0)?, found.try_get(1)?);
        match (kind.as_deref(), &known) {
            (None, _) => {
                let create = tables.query_of(collection, CREATE);
                answered(create.execute(&mut *connection)).await?;
            }
            // An ordinary table that is known.
            (Some("r"), Some(_)) => {}
            _ => return Err(foreign(collection, tables).into()),
        }
        self.set_indexes(connection, tables, &known.unwrap_or_default()).await
    }
}

fn foreign(collection: &Collection, tables: &Tables) -> Error {
    let (schema, table, name) = (tables.schema(), collection.table, collection.name);
    Error::Foreign {
        store: format!("{schema}.{table}"),
        reason: format!(
            "the schema has something of this name that is no collection; \
             `{name}` needs a table of its own"
        ),
    }
}

impl Making {
    /// Drops the indexes that were kept before and are declared no more, and makes those that are not
    /// there.
    async fn set_indexes(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        kept: &[String],
    ) -> Result<(), Trouble> {
        let Self(collection) = self;
        let indexes =
            || collection.indexes.iter().map(|index| (*index, index_name(collection, *index)));
        let names: Vec<String> = indexes().map(|(_, name)| name).collect();
        let select = sqlx::query(INDEXES).bind(tables.schema()).bind(collection.table);
        let rows = answered(select.fetch_all(&mut *connection)).await?;
        let there: HashSet<String> =
            rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?;
        for name in kept.iter().filter(|name| !names.contains(name) && there.contains(*name)) {
            let drop = format!("DROP INDEX {}.{}", quoted(tables.schema()), quoted(name));
            answered(sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *connection)).await?;
        }
        for (index, name) in indexes().filter(|(_, name)| !there.contains(name)) {
            let create = statement(collection, tables, index, &name);
            let create = sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection);
            if let Err(error) = answered_within(INDEX_MAX, create).await {
                let taken = Violation::of(&error)
                    .map(|violation| violation.of_value(collection, index.field));
                return Err(taken.map_or_else(|| error.into(), Into::into));
            }
        }
        let keep = tables.query(KEEP).bind(collection.table).bind(collection.name).bind(names);
        answered(keep.execute(connection)).await?;
        Ok(())
    }
}

/// Whoever looks for one value or a few wants them in the order of ids, so these are in the index.
fn statement(collection: &Collection, tables: &Tables, index: Index, name: &str) -> String {
    let (table, name, field) = (tables.table_of(collection), quoted(name), field(index.field));
    if index.unique {
        format!("CREATE UNIQUE INDEX {name} ON {table} (({field}) NULLS FIRST)")
    } else {
        format!("CREATE INDEX {name} ON {table} (({field}) NULLS FIRST, id)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: Collection = Collection { name: "users", table: "users", indexes: &[] };

    #[test]
    fn indexes_have_names_that_differ() {
        let name = |field, unique| index_name(&USERS, Index { field, unique });
        assert_ne!(name("email", true), name("email", false));
        assert_ne!(name("e-mail", true), name("email", true));
        assert!(
            name("email", true).starts_with("users_") && name("email", true).ends_with("_email")
        );
        let long: &'static str = "x".repeat(100).leak();
        assert_eq!(name(long, false).len(), IDENTIFIER_MAX);
    }

    #[test]
    fn a_collection_is_not_called_like_a_table_of_the_store() {
        let tables = Tables::new("public", "event_store");
        for table in ["kairo_saga", "event_store", "Users", "a-b", ""] {
            let collection = Collection { name: "x", table, indexes: &[] };
            assert!(check(&collection, &tables).is_err(), "{table}");
        }
        assert!(check(&USERS, &tables).is_ok());
    }
}
