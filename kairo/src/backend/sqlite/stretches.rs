//! A query as statements: its order, and what lies behind a cursor.

use rusqlite::types::Value as Bound;
use serde_json::Value;

use super::query::{Clause, LOWEST, value_of};
use crate::{
    documents::{Cursor, FOUND_MAX, Order, Query},
    error::{Error, Result},
    store::Direction,
};

/// A query as statements: what each of them finds comes behind all that those before it find.
///
/// Behind a cursor lies what has its first values and then a greater one. Asked for one by one, each
/// is a stretch of an index; asked for at once, they would be a walk through all of it.
#[derive(Debug)]
pub(super) struct Stretches {
    /// Never empty.
    pub(super) all: Vec<Stretch>,
    /// The terms of the order, as SQL.
    terms: Vec<String>,
    /// The most documents that all of them together return.
    pub(super) limit: usize,
}

/// Some of what a query finds.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) clause: Clause,
    /// How many terms of the order are the same in all of it, which SQLite would not notice.
    same: usize,
}

impl Stretches {
    /// # Errors
    /// [`Error::Invalid`] for the name of a field, a form, or a cursor that cannot be.
    pub(super) fn of(query: &Query) -> Result<Self> {
        let all = match &query.after {
            None => vec![Stretch { clause: Clause::of(&query.condition)?, same: 0 }],
            Some(after) => behind(query, after)?,
        };
        let term = |Order { field, direction }: &Order| {
            let term = value_of(field)?;
            Ok(match direction {
                Direction::Forwards => term,
                Direction::Backwards => term + " DESC",
            })
        };
        let mut terms = query.order.iter().map(term).collect::<Result<Vec<_>>>()?;
        terms.push("id".to_owned());
        Ok(Self { all, terms, limit: query.limit.min(FOUND_MAX) })
    }

    /// The statement of one of them, whose last parameter is the most documents that it returns.
    pub(super) fn select(&self, table: &str, stretch: &Stretch) -> String {
        let (condition, order) = (&stretch.clause.sql, self.terms[stretch.same..].join(", "));
        format!(
            "SELECT id, version, schema, created, changed, body FROM {table} \
             WHERE {condition} ORDER BY {order} LIMIT ?"
        )
    }
}

fn behind(query: &Query, after: &Cursor) -> Result<Vec<Stretch>> {
    if query.order.len() != after.values.len() {
        let allowed = format!("a value for each of {} fields", query.order.len());
        return Err(Error::invalid("cursor", after.id.as_str(), allowed));
    }
    let mut same_id = beginning(query, after, query.order.len())?;
    same_id.add(" AND id > ?");
    same_id.values.push(Bound::Text(after.id.clone()));
    let mut all = vec![Stretch { clause: same_id, same: query.order.len() }];
    for (depth, order) in query.order.iter().enumerate().rev() {
        let (left, value) = (value_of(order.field)?, &after.values[depth]);
        let mut add = |with: &str, value: Option<&Value>, same: usize| -> Result {
            let mut clause = beginning(query, after, depth)?;
            clause.add(&format!(" AND {left} {with}"));
            if let Some(value) = value {
                clause.bind(value);
            }
            all.push(Stretch { clause, same });
            Ok(())
        };
        match (order.direction, value) {
            (Direction::Forwards, Value::Null) => add(&format!(">= {LOWEST}"), None, depth)?,
            (Direction::Forwards, value) => add("> ", Some(value), depth)?,
            (Direction::Backwards, Value::Null) => {}
            (Direction::Backwards, value) => {
                add("< ", Some(value), depth)?;
                add("IS NULL", None, depth + 1)?;
            }
        }
    }
    Ok(all)
}

/// What matches and has the first `depth` values of the cursor.
fn beginning(query: &Query, after: &Cursor, depth: usize) -> Result<Clause> {
    let mut clause = Clause::default();
    clause.add("(");
    clause.put(&query.condition)?;
    clause.add(")");
    for (order, value) in query.order.iter().zip(&after.values).take(depth) {
        let left = value_of(order.field)?;
        if value.is_null() {
            clause.add(&format!(" AND {left} IS NULL"));
        } else {
            clause.add(&format!(" AND {left} = "));
            clause.bind(value);
        }
    }
    Ok(clause)
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, config::DbConfig, params_from_iter};
    use serde_json::json;

    use super::*;
    use crate::{
        backend::sqlite::collections,
        documents::{
            Collection,
            Condition::{self, All, And, Eq, Ge, In, IsNull, Like, Lt, Or},
            Index,
        },
    };

    const AGE: Order = Order { field: "age", direction: Direction::Forwards };
    const OLDEST: Order = Order { field: "age", direction: Direction::Backwards };

    static USERS: Collection = Collection {
        name: "user",
        table: "users",
        indexes: &[
            Index { field: "age", unique: false },
            Index { field: "name", unique: false },
            Index { field: "email", unique: true },
        ],
    };

    fn query(condition: Condition, order: &[Order]) -> Query {
        Query { condition, order: order.to_vec(), limit: 9, after: None }
    }

    /// How SQLite would go through the statements of a query.
    fn plans(query: &Query) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        connection.execute_batch("CREATE TABLE kairo_collection (name TEXT PRIMARY KEY)").unwrap();
        collections::make(&connection, &USERS, "").unwrap().unwrap();
        let stretches = Stretches::of(query).unwrap();
        let plan = |stretch: &Stretch| {
            let select = stretches.select(&collections::quoted("users"), stretch);
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {select}")).unwrap();
            let values = params_from_iter(stretch.clause.values.iter().chain([&Bound::Integer(9)]));
            let lines = plan.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            lines.map(Result::unwrap).collect::<Vec<_>>().join("; ")
        };
        stretches.all.iter().map(plan).collect()
    }

    #[track_caller]
    fn check(query: &Query, expected: &str) {
        for plan in plans(query) {
            assert!(plan.contains(expected), "{query:?}: {plan}");
        }
    }

    #[test]
    fn a_search_uses_the_index_of_its_field() {
        let (of_age, of_email) = (
            "SEARCH main.users USING INDEX kairo_index:users.age",
            "INDEX kairo_unique:users.email",
        );
        for age in [7, 1] {
            check(&query(Eq("age", json!(age)), &[]), of_age);
        }
        check(&query(Eq("age", json!(0.1)), &[]), of_age);
        check(&query(In("age", vec![json!(1), json!(7)]), &[]), of_age);
        check(&query(Ge("age", json!(18)), &[]), of_age);
        check(&query(And(vec![Lt("age", json!(18)), IsNull("city")]), &[]), of_age);
        check(&query(IsNull("age"), &[]), of_age);
        check(&query(Eq("email", json!("ada@example.org")), &[]), of_email);
        check(&query(Like("name", "Ada%".to_owned()), &[]), "kairo_index:users.name (<expr>>? AND");
        let both = vec![Eq("age", json!(7)), Eq("name", json!("Ada"))];
        check(&query(Or(both), &[]), "MULTI-INDEX OR");
    }

    #[test]
    fn an_order_is_that_of_its_index() {
        let by_age = query(All, &[AGE]);
        check(&by_age, "SCAN main.users USING INDEX kairo_index:users.age");
        assert!(!plans(&by_age)[0].contains("TEMP B-TREE"), "{:?}", plans(&by_age));
        let last_term = plans(&query(All, &[OLDEST]));
        assert!(
            last_term[0].ends_with("USE TEMP B-TREE FOR LAST TERM OF ORDER BY"),
            "{last_term:?}"
        );
        check(
            &query(Ge("age", json!(18)), &[AGE]),
            "SEARCH main.users USING INDEX kairo_index:users.age",
        );
    }

    #[test]
    fn what_lies_behind_a_cursor_is_searched_for() {
        for (order, value, stretches) in [
            (AGE, json!(7), 2),
            (OLDEST, json!(7), 3),
            (AGE, json!(null), 2),
            (OLDEST, json!(null), 1),
        ] {
            let after = Some(Cursor { values: vec![value], id: "u7".to_owned() });
            let behind = Query { after, ..query(All, &[order]) };
            assert_eq!(plans(&behind).len(), stretches);
            check(&behind, "SEARCH main.users USING INDEX kairo_index:users.age");
            assert!(
                !plans(&behind).concat().contains("B-TREE FOR ORDER BY"),
                "{:?}",
                plans(&behind)
            );
        }
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let after = Some(Cursor { values: Vec::new(), id: "u7".to_owned() });
        let error = Stretches::of(&Query { after, ..query(All, &[AGE]) }).unwrap_err();
        assert_eq!(error.to_string(), "cursor `u7` is not valid: a value for each of 1 fields");
    }
}
