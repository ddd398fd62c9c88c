//! What a store's tables are called, and statements that name them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::Query};

use crate::documents::Collection;

/// The most bytes of a name of ours: PostgreSQL has 63, and indexes append to it.
const NAME_MAX: usize = 48;

/// A statement with its values.
pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// Where a statement's text lies, and the collection that it is about.
type Place = (usize, usize, &'static str);

/// The names of a store's tables. Statements are written with `{event}` for the log, `{doc}` for the
/// collection that they are about, and `{s}` in front of all others.
#[derive(Debug)]
pub(super) struct Tables {
    schema: String,
    event: String,
    /// Statements with the names filled in.
    filled: RwLock<HashMap<Place, Arc<str>>>,
}

impl Tables {
    /// The tables in a schema, with this one for the log; both names are checked by [`is_name`].
    pub(super) fn new(schema: &str, event: &str) -> Self {
        let (schema, event) = (schema.to_owned(), event.to_owned());
        Self { schema, event, filled: RwLock::default() }
    }

    /// The schema that they are in.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The log's table, without its schema.
    pub(super) fn event(&self) -> &str {
        &self.event
    }

    /// A statement without values yet.
    pub(super) fn query(&self, text: &'static str) -> Statement {
        // Nothing is filled in but names that have been checked and quoted.
        sqlx::query(AssertSqlSafe(self.filled(text, "")))
    }

    /// A statement about the documents of a collection.
    pub(super) fn query_of(&self, collection: &Collection, text: &'static str) -> Statement {
        sqlx::query(AssertSqlSafe(self.filled(text, collection.table)))
    }

    /// The table of a collection, with its schema, in quotes.
    pub(super) fn table_of(&self, collection: &Collection) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(collection.table))
    }

    /// Several statements without values, to be sent at once.
    pub(super) fn script(&self, text: &'static str) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(self.filled(text, ""))
    }

    fn filled(&self, text: &'static str, collection: &'static str) -> Arc<str> {
        let place = (text.as_ptr().addr(), text.len(), collection);
        let known = self.filled.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(filled) = known.get(&place) {
            return Arc::clone(filled);
        }
        drop(known);
        let filled: Arc<str> = self.fill(text, collection).into();
        let mut known = self.filled.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(place, Arc::clone(&filled));
        filled
    }

    fn fill(&self, text: &str, collection: &str) -> String {
        let schema = quoted(&self.schema);
        text.replace("{doc}", &format!("{schema}.{}", quoted(collection)))
            .replace("{event}", &format!("{schema}.{}", quoted(&self.event)))
            .replace("{event_name}", &self.event)
            .replace("{s}", &format!("{schema}."))
    }
}

/// Whether a schema or a table may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    name.starts_with(first)
        && name.chars().all(|c| first(c) || c.is_ascii_digit())
        && name.len() <= NAME_MAX
}

/// An identifier in quotes; the schema that a role finds first may have any name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_plain_form() {
        for good in ["event_store", "_e1", "k", &"k".repeat(48)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "Event", "a-b", "a b", "a\"b", "é", "a;b", &"k".repeat(49)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn statements_name_the_tables_in_quotes() {
        let tables = Tables::new("my \"shop\"", "order");
        let filled = tables.filled("SELECT {s}kairo_claim, {event}, {doc}", "user");
        assert_eq!(
            &*filled,
            r#"SELECT "my ""shop""".kairo_claim, "my ""shop"""."order", "my ""shop"""."user""#
        );
    }
}
